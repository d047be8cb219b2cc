// The letter for the customer with the reasons of a decision, in the form that the law of the project asks for.
import { Dialog } from '@base-ui/react/dialog'
import { Copy, Printer } from 'lucide-react'
import { useRead } from '../api/client'
import type { Letter } from '../api/types'
import { State, When } from '../design/pieces'
import { t } from '../i18n'
import '../design/floating.css'

export default function LetterOf({ id, close }: { id: string; close: () => void }) {
  const seen = useRead<Letter>(`decisions/${id}/letter`)
  return (
    <Dialog.Root open onOpenChange={open => { if (!open) close() }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="dialog" style={{ width: 'min(680px, calc(100vw - 24px))' }}>
          <Dialog.Title render={<h2 />}>{t('Letter for the customer')}</Dialog.Title>
          <State q={seen} height={260}>{letter => (
            <>
              <Dialog.Description className="ink2 row wrap" style={{ marginTop: 4 }}>{t('by {rule}', { rule: letter.rule })} · {t('to be sent by')} <When at={letter.due} /></Dialog.Description>
              <div className="paper" tabIndex={0} role="document" aria-label={letter.title}><h3>{letter.title}</h3>{letter.text}</div>
              <div className="row end" style={{ marginTop: 12 }}><button className="btn" onClick={() => void navigator.clipboard?.writeText(`${letter.title}\n\n${letter.text}`)}><Copy size={14} aria-hidden />{t('Copy')}</button><button className="btn" onClick={() => print()}><Printer size={14} aria-hidden />{t('Print')}</button><button className="btn primary" onClick={close}>{t('Close')}</button></div>
            </>
          )}</State>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
