// One person: what their features say, and what was decided, looked at by people, written and read about them.
import { useQueries } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { call, url, useCircumstances, useOwn, useRead, type Refusal } from '../api/client'
import type { AccessLine, CaseList, DecisionPage, FeatureLine, MessageList, Plain } from '../api/types'
import { Card, Empty, Head, NoPurpose, Outcome, Scroll, State, When } from '../design/pieces'
import { int, said, t } from '../i18n'
import { Name } from '../design/named'
import { caseTone } from './cases'
import Consents from './consents'
import { shown } from './decision'

interface Facts { path?: string; entity: string; key: string; features: { name: string; value: Plain; unit: string }[] }

export default function Customer() {
  const { id } = useParams({ strict: false }) as { id: string }
  const subject = `Customer:${id}`
  const { own, all, may, ready } = useOwn()
  const { as_of } = useCircumstances()
  const some = all ? [''] : own.map(a => a.name)
  const decided = useEach<DecisionPage>(some.map(app => url('decisions', { app, subject, limit: 100, until: as_of })), may)
  const cases = useEach<CaseList>(some.map(app => url('cases', { app, subject, limit: 100, t: as_of })), may)
  const told = useEach<MessageList>(some.map(app => url('outbox', { app, subject, limit: 100 })), may)
  const known = useRead<{ features: FeatureLine[] }>('features')
  const of = own.filter(a => known.data?.features.some(f => f.name.startsWith(`${a.name}.`) && f.by === 'Customer'))
  const facts = useEach<Facts>(of.map(a => url(`features/${a.name}/${encodeURIComponent(id)}`, { t: as_of, entity: 'Customer' })), may && known.isSuccess, true)
  const read = useRead<{ accesses: AccessLine[] }>('access', { subject, limit: 50 }, { at: 'until', enabled: all })
  if (ready && !may) return <><Head title={id} /><NoPurpose /></>
  return (
    <>
      <Head title={<>{id} <Name of={subject} /></>} over={<span className="badge accent">{t('Customer')}</span>}>{t('Who is this, what was decided, and who looked?')}</Head>
      <div className="grid2">
        <div className="stack">
          <Card title={t('Decisions')} plain><State q={decided}>{pages => { const rows = pages.flatMap(p => p.decisions).sort((a, b) => (a.when < b.when ? 1 : -1)); return !rows.length ? <Empty>{t('Nothing is there yet.')}</Empty> : <Scroll label={t('Decisions')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Application')}</th><th>{t('Outcome')}</th><th>{t('Why')}</th></tr></thead><tbody>{rows.map(d => <tr key={d.id}><td className="nowrap"><Link className="link" to="/decisions/$id" params={{ id: d.id }}><When at={d.when} /></Link></td><td>{said(d.app)}</td><td><Outcome name={d.outcome} /></td><td className="ink2"><div className="why">{d.why}</div></td></tr>)}</tbody></table></Scroll> }}</State></Card>
          <Card title={t('Cases')} plain><State q={cases}>{lists => { const rows = lists.flatMap(l => l.cases); return !rows.length ? <Empty>{t('Nothing is there yet.')}</Empty> : <Scroll label={t('Cases')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Case')}</th><th>{t('Status')}</th><th className="r">{t('Alerts')}</th><th>{t('Why')}</th></tr></thead><tbody>{rows.map(c => <tr key={c.case}><td><Link className="link strong" to="/cases/$case" params={{ case: c.case }}>{said(c.title)}</Link></td><td><span className={`badge ${caseTone(c)}`}>{c.status === 'closed' ? said(c.outcome) : said(c.status)}</span></td><td className="r">{int(c.alerts)}</td><td className="ink2"><div className="why">{c.why}</div></td></tr>)}</tbody></table></Scroll> }}</State></Card>
          {!as_of && <Card title={t('Messages')} plain><State q={told}>{lists => { const rows = lists.flatMap(l => l.messages); return !rows.length ? <Empty>{t('Nothing is there yet.')}</Empty> : <Scroll label={t('Messages')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Message')}</th><th>{t('Status')}</th><th>{t('Why')}</th></tr></thead><tbody>{rows.map(m => <tr key={m.message}><td className="ink2"><When at={m.planned} /></td><td><Link className="link" to="/messages" search={(before: Search) => ({ ...before, app: m.app, message: m.message })}>{said(m.letter)}</Link> <span className="ink3">{said(m.channel)}</span></td><td><span className="badge">{said(m.status)}</span></td><td className="ink2">{m.why}</td></tr>)}</tbody></table></Scroll> }}</State></Card>}
          <Consents customer={id} audit={all} />
          {all && <Card title={t('Accesses')} plain><State q={read}>{data => <Scroll label={t('Accesses')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Who')}</th><th>{t('Purpose')}</th><th>{t('What was done')}</th></tr></thead><tbody>{data.accesses.map(a => <tr key={a.number}><td className="ink2"><When at={a.when} /></td><td className="nowrap">{a.who} <span className="ink3">{said(a.role)}</span></td><td>{a.purpose ? said(a.purpose) : t('none')}</td><td>{said(a.action)}</td></tr>)}</tbody></table></Scroll>}</State></Card>}
        </div>
        <State q={facts} height={320}>{found => <div className="stack">{found.map((f, i) => <Card key={i} title={said(own.find(a => f.path?.includes(`/features/${a.name}/`))?.title ?? '')}><dl className="dl">{f.features.map(v => <div key={v.name} style={{ display: 'contents' }}><dt className="clip">{v.name}</dt><dd className="num">{shown(v.value, v.unit)}</dd></div>)}</dl></Card>)}</div>}</State>
      </div>
    </>
  )
}

/** Read several paths, each under its own purpose; what cannot be read is left out where that is fine. */
function useEach<T>(paths: string[], enabled: boolean, lenient = false): { data?: T[]; error: unknown; isPending: boolean } {
  const { purpose } = useCircumstances()
  return useQueries({
    queries: paths.map(path => ({ queryKey: [path, purpose ?? ''], queryFn: ({ signal }: { signal: AbortSignal }) => call<T>(path, { purpose, signal }).then(data => ({ ...data, path })), enabled })),
    combine: found => {
      const error = lenient ? null : (found.find(f => f.error)?.error as Refusal | undefined) ?? null
      const done = found.every(f => f.data !== undefined || (lenient && f.error))
      return { error, isPending: !done, data: done && paths.length ? found.flatMap(f => (f.data === undefined ? [] : [f.data])) : undefined }
    },
  })
}
