// Allow, deny and watch lists: what stands on each, until when; a file put on one.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Upload } from 'lucide-react'
import { useRef, useState } from 'react'
import { call, useRead } from '../api/client'
import type { ListInfo, ListLine } from '../api/types'
import { Called, useNames } from '../design/named'
import { Card, Empty, Head, Refused, Scroll, State, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const TONE = { deny: 'bad', watch: 'warn', allow: 'good' } as const
const OF = ['Merchant', 'Customer', 'Device', 'Card', 'Account', 'Company']
type Done = { list: string; rows: number; stored: number; known_before: number; refused: number }

export default function Lists() {
  const { list } = useSearch({ strict: false }) as { list?: string }
  const seen = useRead<{ lists: ListLine[] }>('lists')
  const go = useNavigate()
  const open = (name?: string) => void go({ to: '.', search: (before: Search) => ({ ...before, list: name }), replace: true })
  return (
    <>
      <Head title={t('Lists')}>{t('Who or what is let through, stopped or watched, and until when?')}</Head>
      <div className="grid2">
        <div className="stack">
          <State q={seen} height={240}>{data => (
            <Card title={t('Lists')} plain>
              {!data.lists.length ? <Empty command="heptad lists upload">{t('There is no list yet. Put a file of keys on one; a rule asks for it by its name.')}</Empty> : (
                <Scroll label={t('Lists')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('List')}</th><th>{t('Kind')}</th><th className="r">{t('Entries')}</th><th className="r">{t('Ended')}</th></tr></thead>
                  <tbody>{data.lists.map(l => <tr key={l.list + l.kind} data-at={l.list === list}><td><button className="link strong" onClick={() => open(l.list)}>{l.list}</button></td><td><span className={`badge ${TONE[l.kind]}`}>{said(l.kind)}</span></td><td className="r">{int(l.entries)}</td><td className="r">{int(l.ended)}</td></tr>)}</tbody></table></Scroll>
              )}
            </Card>
          )}</State>
          {list && <Entries list={list} />}
        </div>
        <Put known={list} done={open} />
      </div>
    </>
  )
}

function Entries({ list }: { list: string }) {
  const seen = useRead<ListInfo>(`lists/${encodeURIComponent(list)}`)
  const called = useNames(seen.data?.entries.map(e => `${e.of}:${e.key}`) ?? [])
  return (
    <State q={seen} height={240}>{data => (
      <Card title={list} plain note={t('{n} of {total}', { n: int(data.entries.length), total: int(data.of) })}>
        {!data.entries.length ? <Empty>{t('Nothing is there yet.')}</Empty> : <Scroll label={list}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Key')}</th><th>{t('Kind')}</th><th>{t('Since')}</th><th>{t('Until')}</th></tr></thead>
          <tbody>{data.entries.map(e => <tr key={e.id}><td><span className="mono">{e.key}</span> <Called name={called[`${e.of}:${e.key}`]} /></td><td>{said(e.kind)}</td><td className="ink2"><When at={e.since} /></td><td className="ink2">{e.until > '2200' ? t('for ever') : <When at={e.until} />}</td></tr>)}</tbody></table></Scroll>}
      </Card>
    )}</State>
  )
}

function Put({ known, done }: { known?: string; done: (list: string) => void }) {
  const [name, setName] = useState(known ?? ''), [kind, setKind] = useState('watch'), [of, setOf] = useState('Merchant'), [column, setColumn] = useState('id')
  const file = useRef<HTMLInputElement>(null), client = useQueryClient()
  const put = useMutation<Done, Error, File>({
    mutationFn: async sheet => call(`/v1/lists/${encodeURIComponent(name.trim())}`, { method: 'POST', body: { content: base64(new Uint8Array(await sheet.arrayBuffer())), file: sheet.name, kind, of, column } }),
    onSuccess: found => { void client.invalidateQueries(); done(found.list) },
  })
  return (
    <Card title={t('Put a file on a list')} note={t('CSV or XLSX, one key a row')}>
      <form className="form one" onSubmit={e => { e.preventDefault(); const sheet = file.current?.files?.[0]; if (sheet) put.mutate(sheet) }}>
        <label><span className="cap ink3">{t('List')}</span><input className="field" required pattern="[A-Za-z0-9_\-]{1,64}" value={name} onChange={e => setName(e.target.value)} placeholder="watched" /></label>
        <label><span className="cap ink3">{t('Kind')}</span><select className="field" value={kind} onChange={e => setKind(e.target.value)}>{['watch', 'deny', 'allow'].map(k => <option key={k} value={k}>{said(k)}</option>)}</select></label>
        <label><span className="cap ink3">{t('Keys of')}</span><select className="field" value={of} onChange={e => setOf(e.target.value)}>{OF.map(k => <option key={k}>{k}</option>)}</select></label>
        <label><span className="cap ink3">{t('Column')}</span><input className="field" required value={column} onChange={e => setColumn(e.target.value)} /></label>
        <label><span className="cap ink3">{t('File')}</span><input ref={file} className="file" type="file" required accept=".csv,.xlsx" /></label>
        {put.error && <Refused error={put.error} />}
        {put.data && <p role="status" className="good">{t('{n} of {total} stored, {k} known before, {r} refused', { n: int(put.data.stored), total: int(put.data.rows), k: int(put.data.known_before), r: int(put.data.refused) })}</p>}
        <div className="row end"><button className="btn primary" type="submit" disabled={put.isPending}><Upload size={14} aria-hidden />{t('Put on the list')}</button></div>
      </form>
    </Card>
  )
}

/** Bytes as base64, piece by piece: a whole file at once overflows the stack. */
function base64(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(text)
}
