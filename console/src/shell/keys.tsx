// The list of keys, opened by a question mark.
import { Dialog } from '@base-ui/react/dialog'
import { t } from '../i18n'
import { GOVERN, PLATFORM, START } from './shell'
import '../design/floating.css'

export default function Keys({ close }: { close: () => void }) {
  const keys: [string[], string][] = [
    [['⌘', 'K'], t('Search or run a command')], ...[...START, ...PLATFORM, ...GOVERN].map((p): [string[], string] => [['g', p.key], t(p.name)]),
    [['j'], t('Next row')], [['k'], t('Row before')], [['↵'], t('Open')], [['f'], t('Filter')], [['r'], t('Replay')], [['t'], t('As table')], [['esc'], t('Close')], [['?'], t('Keyboard')],
  ]
  return (
    <Dialog.Root open onOpenChange={open => { if (!open) close() }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="dialog"><Dialog.Title render={<h2 />}>{t('Keyboard')}</Dialog.Title><ul className="keys">{keys.map(([k, what]) => <li key={k.join('') + what}><span className="ink2">{what}</span><span className="row" style={{ gap: 4 }}>{k.map(x => <kbd key={x}>{x}</kbd>)}</span></li>)}</ul></Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
