// The inbox: what a person must look at, what is due first, and who has it.
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useQueries } from '@tanstack/react-query'
import { call, url, useCircumstances, useOwn } from '../api/client'
import type { CaseList, CaseTold } from '../api/types'
import { Card, Empty, Head, NoPurpose, Scroll, State, useRows } from '../design/pieces'
import { int, said, t, until } from '../i18n'
import './case.css'

export const caseTone = (c: { status: string; proposed: string }) => (c.status === 'waiting' ? 'warn' : c.status === 'working' ? 'accent' : '')

export default function Inbox() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>
  const go = useNavigate()
  const { own, all, may, ready, me } = useOwn()
  const app = search.app
  const closed = search.status === 'closed'
  const seen = useCases(app ? [app] : all ? [''] : own.map(a => a.name), search.status, may)
  const set = (values: Search) => void go({ to: '.', search: (before: Search) => ({ ...before, ...values }), replace: true })
  return (
    <>
      <Head title={t('Inbox')}>{t('Which cases need a person, and which first?')}</Head>
      <div className="filters">
        <label><span className="vh">{t('Application')}</span><select className="ctl" value={app ?? ''} onChange={e => set({ app: e.target.value || undefined })}><option value="">{all ? t('All applications') : t('All of mine')}</option>{own.map(a => <option key={a.name} value={a.name}>{said(a.title)}</option>)}</select></label>
        <div className="seg" role="group" aria-label={t('Status')}>
          {([['', t('To do')], ['waiting', t('For a second person')], ['closed', t('Closed')]] as const).map(([value, name]) => <button key={value} aria-pressed={(search.status ?? '') === value} onClick={() => set({ status: value || undefined })}>{name}</button>)}
        </div>
        <button className={`ctl ${search.mine ? 'on' : ''}`} aria-pressed={Boolean(search.mine)} onClick={() => set({ mine: search.mine ? undefined : 'yes' })}>{t('Mine')}</button>
      </div>
      {ready && !may ? <NoPurpose /> : <State q={seen} height={480}>{data => <List data={data} closed={closed} rows={data.cases.filter(c => (closed || c.status !== 'closed') && (!search.mine || c.assignee === me))} me={me} />}</State>}
    </>
  )
}

/** Read the cases of some applications, each for its own purpose, as one list in which the most urgent stands first. */
function useCases(apps: string[], status: string | undefined, enabled: boolean): { data?: CaseList; error: unknown; isPending: boolean } {
  const { as_of, purpose } = useCircumstances()
  const read = apps.map(app => url('cases', { app, status, limit: 200, t: as_of }))
  return useQueries({
    queries: read.map(path => ({ queryKey: [path, purpose ?? ''], queryFn: ({ signal }: { signal: AbortSignal }) => call<CaseList>(path, { purpose, signal }), enabled })),
    combine: found => {
      const lists = found.flatMap(f => f.data ?? []), error = found.find(f => f.error)?.error ?? null
      const cases = lists.flatMap(l => l.cases).sort((a, b) => Number(a.status === 'closed') - Number(b.status === 'closed') || (a.due < b.due ? -1 : 1))
      return { error, isPending: lists.length < read.length || !read.length, data: lists.length && lists.length === read.length ? { now: lists[0].now, cases, counts: lists.flatMap(l => l.counts) } : undefined }
    },
  })
}

function List({ data, rows, closed, me }: { data: CaseList; rows: CaseTold[]; closed: boolean; me?: string }) {
  const go = useNavigate()
  const at = useRows(rows, c => void go({ to: '/cases/$case', params: { case: c.case } }))
  const open = data.counts.filter(c => c.status !== 'closed')
  const n = open.reduce((sum, c) => sum + c.n, 0), late = open.reduce((sum, c) => sum + Number(c.late), 0)
  return (
    <Card title={t('Cases')} plain note={closed ? t('{n} shown', { n: int(rows.length) }) : late ? t('{n} open, {late} of them late', { n: int(n), late: int(late) }) : t('{n} open, none late', { n: int(n) })}>
      {!rows.length ? <Empty command="heptad cases">{closed ? t('No case has been closed yet.') : t('Nothing waits for a person. Decisions that are held or referred open cases here.')}</Empty> : (
        <Scroll label={t('Cases')}>
          <table style={{ marginTop: 4 }}>
            <thead><tr><th>{closed ? t('Outcome') : t('Due')}</th><th>{t('Case')}</th><th className="r">{t('Amount')}</th><th className="r">{t('Alerts')}</th><th>{t('Subject')}</th><th>{t('Status')}</th><th>{t('Assigned to')}</th></tr></thead>
            <tbody>{rows.map((c, i) => (
              <tr key={c.case} data-at={i === at}>
                <td className="nowrap">{closed ? <span className="badge">{said(c.outcome)}</span> : <Due at={c.due} now={data.now} level={c.level} />}</td>
                <td style={{ minWidth: 260 }}><Link className="link strong" to="/cases/$case" params={{ case: c.case }}>{said(c.title)}</Link><div className="cap ink3 why">{c.why}</div></td>
                <td className="r strong">{c.amount || '–'}</td><td className="r">{int(c.alerts)}</td>
                <td className="mono nowrap">{c.subject}</td>
                <td><span className={`badge ${caseTone(c)}`}>{c.proposed && c.status === 'waiting' ? t('{outcome} proposed', { outcome: said(c.proposed) }) : said(c.status)}</span></td>
                <td className="nowrap">{c.assignee ? (c.assignee === me ? <b className="strong">{t('you')}</b> : c.assignee) : <span className="ink3">{t('nobody')}</span>}</td>
              </tr>
            ))}</tbody>
          </table>
        </Scroll>
      )}
    </Card>
  )
}

/** How long there is left; what is late, or raised, is said in words and colour. */
export function Due({ at, now, level }: { at: string; now: string; level: number }) {
  const left = until(at, now), tone = left.late ? 'bad' : left.soon ? 'warn' : ''
  return <span className="row" style={{ gap: 6 }}><time className={`num strong ${tone}`} dateTime={at} title={at}>{left.late ? t('{d} late', { d: left.text }) : t('in {d}', { d: left.text })}</time>{level > 0 && <span className="badge bad">{t('raised {n}×', { n: level })}</span>}</span>
}
