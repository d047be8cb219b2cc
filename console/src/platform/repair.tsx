// One refused row, written anew: its cells, what the checks say of them, and the way back in.
import { Dialog } from '@base-ui/react/dialog'
import { useMutation } from '@tanstack/react-query'
import { CircleCheck, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { call } from '../api/client'
import type { RefusedRow, Repaired } from '../api/types'
import { Refused } from '../design/pieces'
import { t } from '../i18n'
import '../design/floating.css'

type Props = { table: string; row: RefusedRow; close: () => void; done: () => void }

export default function Repair({ table, row, close, done }: Props) {
  const [cells, setCells] = useState<Record<string, string>>({})
  const send = (check: boolean) => call<Repaired>(`/v1/tables/${encodeURIComponent(table)}/quarantine/repair`, { method: 'POST', body: { load: row.load, file: row.file, line: row.line, cells, check } })
  const store = useMutation<Repaired, Error>({ mutationFn: () => send(false), onSuccess: found => { if (!found.reasons.length) done() } })
  const check = useMutation<Repaired, Error>({ mutationFn: () => send(true), onSuccess: () => store.reset() })
  const wrong = new Set(row.columns.map(c => c.toLowerCase()))
  const ordered = [...row.cells].sort((a, b) => Number(wrong.has(b.name.toLowerCase())) - Number(wrong.has(a.name.toLowerCase())))
  const said = store.data ?? check.data, busy = store.isPending || check.isPending
  return (
    <Dialog.Root open onOpenChange={open => { if (!open) close() }}>
      <Dialog.Portal>
        <Dialog.Backdrop className="veil" />
        <Dialog.Popup className="dialog wide">
          <Dialog.Title render={<h2 />}>{t('Repair a row')}</Dialog.Title>
          <Dialog.Description className="ink2" style={{ marginTop: 4 }}>{row.sentence} <span className="cap ink3">{row.source} · {row.file}{row.file && ':'}{row.line}</span></Dialog.Description>
          <form onSubmit={e => { e.preventDefault(); check.mutate() }} onKeyDown={e => { if (e.key === 'Enter' && (e.metaKey || e.ctrlKey)) { e.preventDefault(); store.mutate() } }}>
            <div className="repair" tabIndex={-1}>{ordered.map((c, i) => { const bad = wrong.has(c.name.toLowerCase()); return (
              <label key={c.name}><span className="strong clip">{c.name}{bad && <span className="warn"> · {t('refused')}</span>}</span>
                <input className="field" autoFocus={i === 0} autoComplete="off" spellCheck={false} aria-invalid={bad || undefined} placeholder={c.hidden ? t('not shown; stays as it came') : ''} value={cells[c.name] ?? (c.hidden || c.value === null ? '' : String(c.value))} onChange={e => { check.reset(); store.reset(); setCells({ ...cells, [c.name]: e.target.value }) }} /></label>) })}</div>
            {(check.error ?? store.error) && <Refused error={check.error ?? store.error} />}
            {said && <div role="status" className="said">{said.reasons.length ? said.reasons.map(r => <p key={r.field + r.reason} className="row warn"><TriangleAlert size={14} aria-hidden style={{ flex: 'none' }} /><span className="wraps">{r.sentence} <span className="ink3">{r.do}</span></span></p>) : <p className="row good"><CircleCheck size={14} aria-hidden />{said.duplicates ? t('The table holds this row already.') : said.check ? t('It passes every check and would be stored.') : t('The row is stored.')}</p>}</div>}
            <div className="row wrap end" style={{ marginTop: 14 }}><span className="cap ink3 grow">{t('The row goes the way that all rows take; the change is recorded.')}</span><button type="button" className="btn" onClick={close}>{t('Cancel')}</button><button type="submit" className="btn" disabled={busy}>{t('Check')} <kbd aria-hidden>↵</kbd></button><button type="button" className="btn primary" disabled={busy || !Object.keys(cells).length} onClick={() => store.mutate()}>{t('Store the row')} <kbd aria-hidden>⌘↵</kbd></button></div>
          </form>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
