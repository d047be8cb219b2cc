// The command palette: places, things found by a few letters, and what can be done, each with its command.
import { Dialog } from '@base-ui/react/dialog'
import { useNavigate } from '@tanstack/react-router'
import { Boxes, Clock3, BadgeCheck, Keyboard, LayoutGrid, Scale, ShieldCheck, Sigma, Table2, Waypoints, type LucideIcon } from 'lucide-react'
import { useDeferredValue, useId, useState } from 'react'
import { useRead } from '../api/client'
import type { AppLine, Hit } from '../api/types'
import { said, t } from '../i18n'
import { GOVERN, PLATFORM, START, type Open } from './shell'
import '../design/floating.css'

const icons: Record<string, LucideIcon> = { application: LayoutGrid, table: Table2, column: Waypoints, feature: Sigma, model: Boxes, decision: Scale }
type Line = { id: string; group: string; name: string; icon: LucideIcon; hint?: string; keys?: string[]; run: () => void }

export default function Palette({ close, apps, show }: { close: () => void; apps: AppLine[]; show: (open: Open) => void }) {
  const go = useNavigate(), [q, setQ] = useState(''), [at, setAt] = useState(0), list = useId()
  const asked = useDeferredValue(q.trim())
  const found = useRead<{ hits: Hit[] }>('search', { q: asked }, { enabled: asked.length > 0 })
  const to = (path: string) => () => {
    close()
    const [pathname, text] = path.split('?')
    void go({ to: pathname, search: (before: Search) => ({ ...keepers(before), ...Object.fromEntries(new URLSearchParams(text ?? '')) }) })
  }
  const fits = (name: string) => name.toLowerCase().includes(asked.toLowerCase())
  const lines: Line[] = [
    ...[...START, ...PLATFORM, ...GOVERN].filter(p => fits(t(p.name)) || fits(p.name)).map(p => ({ id: p.to, group: t('Go to'), name: t(p.name), icon: p.icon, keys: ['g', p.key], run: to(p.to) })),
    ...apps.filter(a => fits(a.title)).map(a => ({ id: a.name, group: t('Applications'), name: said(a.title), icon: LayoutGrid, hint: `heptad apps ${a.name}`, run: to(`/apps/${a.name}`) })),
    ...(asked ? (found.data?.hits ?? []).filter(h => h.kind !== 'application').map(h => ({ id: h.kind + h.name, group: t('Found'), name: h.name, icon: icons[h.kind] ?? Scale, hint: said(h.kind), run: to(h.to) })) : []),
    ...[
      { id: 'as_of', group: t('Commands'), name: t('Read as of an instant'), icon: Clock3, run: () => show('as_of') },
      { id: 'purpose', group: t('Commands'), name: t('State a purpose'), icon: BadgeCheck, run: () => show('purpose') },
      { id: 'verify', group: t('Commands'), name: t('Verify the decision log'), icon: ShieldCheck, hint: 'heptad log verify', run: to('/log?verify=now') },
      { id: 'keys', group: t('Commands'), name: t('Keyboard'), icon: Keyboard, keys: ['?'], run: () => show('keys') },
    ].filter(l => fits(l.name)),
  ]
  const here = Math.min(at, lines.length - 1)
  const onKeyDown = (e: React.KeyboardEvent) => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    if (step) { e.preventDefault(); setAt((here + step + lines.length) % lines.length); document.getElementById(`${list}-${(here + step + lines.length) % lines.length}`)?.scrollIntoView({ block: 'nearest' }) }
    else if (e.key === 'Enter') { e.preventDefault(); lines[here]?.run() }
  }
  return (
    <Dialog.Root open onOpenChange={open => { if (!open) close() }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="palette">
          <Dialog.Title className="vh">{t('Search or run a command')}</Dialog.Title>
          <input autoFocus role="combobox" aria-expanded aria-controls={list} aria-activedescendant={lines.length ? `${list}-${here}` : undefined} aria-label={t('Search or run a command')}
            placeholder={t('Decision, table, feature, column… or a command')} value={q} onChange={e => { setQ(e.target.value); setAt(0) }} onKeyDown={onKeyDown} spellCheck={false} />
          <ul id={list} role="listbox" aria-label={t('Found')}>
            {lines.map((line, i) => [
              line.group !== lines[i - 1]?.group && <li key={line.group} className="group" role="presentation">{line.group}</li>,
              <li key={line.group + line.id} id={`${list}-${i}`} role="option" aria-selected={i === here} className="hit" onMouseMove={() => setAt(i)} onClick={line.run}>
                <line.icon size={15} aria-hidden /><span className="clip">{line.name}</span>
                {line.keys ? <span className="k row" style={{ gap: 4 }}>{line.keys.map(k => <kbd key={k}>{k}</kbd>)}</span> : line.hint && <span className={`k clip ${line.hint.startsWith('heptad') ? 'mono' : 'cap'}`}>{line.hint}</span>}
              </li>,
            ])}
            {!lines.length && <li className="empty">{t('Nothing found. Try an id, a table or a feature.')}</li>}
          </ul>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

/** What of the URL goes along to another page. */
const keepers = (before: Record<string, string | undefined>) => ({ as_of: before.as_of, purpose: before.purpose })
