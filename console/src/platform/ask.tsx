// Ask for a reason before something that cannot be taken back, with the consequence said.
import { Dialog } from '@base-ui/react/dialog'
import { useState } from 'react'
import { Refused } from '../design/pieces'
import { t } from '../i18n'
import '../design/floating.css'

type Props = { title: string; says: string; go: string; busy: boolean; error: Error | null; close: () => void; done: (text: string) => void; children?: React.ReactNode }

export default function Ask({ title, says, go, busy, error, close, done, children }: Props) {
  const [text, setText] = useState('')
  return (
    <Dialog.Root open onOpenChange={open => { if (!open) close() }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="dialog">
          <Dialog.Title render={<h2 />}>{title}</Dialog.Title>
          <Dialog.Description className="ink2" style={{ marginTop: 4 }}>{says}</Dialog.Description>
          <form style={{ marginTop: 12, display: 'grid', gap: 12 }} onSubmit={e => { e.preventDefault(); done(text.trim()) }}>
            {children}
            <label><span className="cap ink3">{t('Why, in some words')}</span><textarea className="field area" autoFocus required minLength={3} maxLength={2000} rows={3} value={text} onChange={e => setText(e.target.value)} onKeyDown={e => { if (e.key === 'Enter' && (e.metaKey || e.ctrlKey)) { e.preventDefault(); e.currentTarget.form?.requestSubmit() } }} /></label>
            {error && <Refused error={error} />}
            <div className="row end"><button type="button" className="btn" onClick={close}>{t('Cancel')}</button><button type="submit" className="btn primary" disabled={busy}>{go} <kbd aria-hidden>⌘↵</kbd></button></div>
          </form>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
