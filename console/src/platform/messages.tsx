// What people were told or not told, and why; one message as it reads; the switch that stops them.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { OctagonPause, Play } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { call, useOwn, useRead } from '../api/client'
import type { MessageList, WholeMessage } from '../api/types'
import { Card, Empty, Head, NoPurpose, Refused, Scroll, State, useRows, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const Ask = lazy(() => import('./ask'))
const STATES = ['waiting', 'sent', 'delivered', 'bounced', 'skipped', 'uncertain', 'dead', 'cancelled']
const tone = (status: string) => ({ delivered: 'good', bounced: 'bad', dead: 'bad', uncertain: 'warn', skipped: '', sent: '' })[status] ?? ''

export default function Messages() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>
  const go = useNavigate()
  const { own, all, first, may, ready } = useOwn()
  const app = search.app ?? first
  const seen = useRead<MessageList>('outbox', { app, status: search.status, decision: search.decision, limit: 200 }, { enabled: may })
  const set = (values: Search) => void go({ to: '.', search: (before: Search) => ({ ...before, ...values }), replace: true })
  return (
    <>
      <Head title={t('Messages')} aside={<Stops list={seen.data?.stops ?? []} />}>{t('Who was told what, and who was not, and why?')}</Head>
      <div className="filters">
        <label><span className="vh">{t('Application')}</span><select className="ctl" value={app ?? ''} onChange={e => set({ app: e.target.value || undefined })}>{all && <option value="">{t('All applications')}</option>}{own.map(a => <option key={a.name} value={a.name}>{said(a.title)}</option>)}</select></label>
        <label><span className="vh">{t('Status')}</span><select className="ctl" value={search.status ?? ''} onChange={e => set({ status: e.target.value || undefined })}><option value="">{t('All statuses')}</option>{STATES.map(s => <option key={s} value={s}>{said(s)}</option>)}</select></label>
        {(search.status || search.decision) && <button className="link" onClick={() => set({ status: undefined, decision: undefined })}>{t('Clear')}</button>}
      </div>
      {ready && !may ? <NoPurpose /> : <State q={seen} height={480}>{data => <div className={search.message ? 'grid2' : ''}><List data={data} open={message => set({ message })} />{search.message && <Preview id={search.message} close={() => set({ message: undefined })} />}</div>}</State>}
    </>
  )
}

function List({ data, open }: { data: MessageList; open: (id: string) => void }) {
  const at = useRows(data.messages, m => open(m.message))
  const sums = new Map<string, number>()
  for (const c of data.counts) sums.set(c.status, (sums.get(c.status) ?? 0) + c.n)
  return (
    <Card title={t('Messages')} plain note={[...sums].map(([s, n]) => `${said(s)} ${int(n)}`).join(' · ')}>
      {!data.messages.length ? <Empty command="heptad outbox">{t('No message fits. Applications plan messages when they decide.')}</Empty> : (
        <Scroll label={t('Messages')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Planned, UTC')}</th><th>{t('Letter')}</th><th>{t('Subject')}</th><th>{t('Channel')}</th><th>{t('Status')}</th><th>{t('Why')}</th></tr></thead>
          <tbody>{data.messages.map((m, i) => <tr key={m.message} data-at={i === at}><td className="ink2"><When at={m.planned} /></td><td><button className="link strong" onClick={() => open(m.message)}>{said(m.letter)}</button> <span className="ink3 cap">{said(m.app)}</span></td><td className="mono nowrap">{m.subject}</td><td>{said(m.channel)}</td><td><span className={`badge ${tone(m.status)}`}>{said(m.status)}</span></td><td className="ink2">{m.why ? said(m.why) : <span className="ink3">–</span>}</td></tr>)}</tbody></table></Scroll>
      )}
    </Card>
  )
}

function Preview({ id, close }: { id: string; close: () => void }) {
  const seen = useRead<WholeMessage>(`outbox/${encodeURIComponent(id)}`)
  return (
    <State q={seen} height={320}>{m => (
      <Card title={t('As it reads')} note={`${said(m.channel)} · ${said(m.purpose)}`} aside={<button className="ctl" style={{ height: 24 }} onClick={close}>{t('Close')}</button>}>
        <div className="letter"><h3>{m.title}</h3><p className="wraps" style={{ whiteSpace: 'pre-wrap' }}>{m.text}</p></div>
        <dl className="dl sub"><dt>{t('To')}</dt><dd className="mono">{m.subject}</dd><dt>{t('Sent')}</dt><dd>{m.sent ? <When at={m.sent} /> : <span className="ink3">{t('not yet')}</span>}</dd><dt>{t('Attempt')}</dt><dd className="num">{int(m.attempts)}</dd>{m.why && <><dt>{t('Why')}</dt><dd>{said(m.why)}</dd></>}{m.decision && <><dt>{t('Decision')}</dt><dd><Link className="link mono" to="/decisions/$id" params={{ id: m.decision }}>{m.decision.slice(0, 12)}</Link></dd></>}</dl>
        {m.receipts.length > 0 && <ol className="tl sub">{m.receipts.map((r, i) => <li key={i}><span className={`mk ${tone(r.event)}`} aria-hidden /><div><span className="strong">{said(r.event)}</span> <span className="ink3 cap"><When at={r.at} /></span>{r.note && <p className="ink2">{r.note}</p>}</div></li>)}</ol>}
      </Card>
    )}</State>
  )
}

function Stops({ list }: { list: string[] }) {
  const [asking, setAsking] = useState(false)
  const client = useQueryClient()
  const all = list.includes('all')
  const stop = useMutation<unknown, Error, string>({ mutationFn: reason => call(all ? '/v1/outbox/go-on' : '/v1/outbox/stop', { method: 'POST', body: { scope: 'all', reason } }), onSuccess: () => { setAsking(false); void client.invalidateQueries() } })
  return (
    <>
      {list.length > 0 && <span className="badge bad">{t('stopped: {what}', { what: list.join(', ') })}</span>}
      <button className={`btn ${all ? '' : 'danger'}`} onClick={() => (all ? stop.mutate('go on') : setAsking(true))}>{all ? <Play size={14} aria-hidden /> : <OctagonPause size={14} aria-hidden />}{all ? t('Send again') : t('Stop all')}</button>
      {stop.error && !asking && <Refused error={stop.error} />}
      <Suspense fallback={null}>{asking && <Ask title={t('Stop all')} says={t('Nothing more is sent to anybody until somebody lets it go on; what waits stays.')} go={t('Stop all')} busy={stop.isPending} error={stop.error} close={() => { setAsking(false); stop.reset() }} done={reason => stop.mutate(reason)} />}</Suspense>
    </>
  )
}
