// Find a decision by application, outcome, subject or id.
import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { call, url, useCircumstances, useOwn } from '../api/client'
import type { Decided, DecisionPage } from '../api/types'
import { Card, Empty, Head, NoPurpose, Outcome, outcomeWord, Refused, Scroll, useRows, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const WAITS = 'refer,hold,challenge'
const OUTCOMES = ['approve', 'offer', 'decline', 'refer', 'hold', 'challenge', 'skip']

export default function Decisions() {
  const search = useSearch({ strict: false }) as Record<string, string | undefined>
  const go = useNavigate()
  const { as_of, purpose } = useCircumstances()
  const { own, all, first, may, ready } = useOwn()
  const app = search.app ?? first
  const outcome = search.waits ? WAITS : search.outcome ?? ''
  const asked = { app, outcome, subject: search.subject, until: as_of, limit: 100 }
  const pages = useInfiniteQuery({
    queryKey: ['decisions', asked, purpose], initialPageParam: '', enabled: may,
    queryFn: ({ pageParam, signal }) => call<DecisionPage>(url('decisions', { ...asked, cursor: pageParam }), { purpose, signal }),
    getNextPageParam: last => last.cursor ?? undefined,
  })
  const set = (values: Record<string, string | undefined>) => void go({ to: '.', search: (before: Search) => ({ ...before, ...values }), replace: true })
  const rows = pages.data?.pages.flatMap(p => p.decisions) ?? []
  const counts = pages.data?.pages[0]?.counts ?? {}
  const some = outcome ? outcome.split(',') : Object.keys(counts)
  const total = search.subject ? undefined : some.reduce((n, name) => n + (counts[name] ?? 0), 0)
  const at = useRows<Decided>(rows, d => void go({ to: '/decisions/$id', params: { id: d.id } }))
  return (
    <>
      <Head title={t('Decisions')}>{t('What was decided about whom, and why?')}</Head>
      <div className="filters">
        <label><span className="vh">{t('Application')}</span><select className="ctl" value={app ?? ''} onChange={e => set({ app: e.target.value || undefined })}>{all && <option value="">{t('All applications')}</option>}{own.map(a => <option key={a.name} value={a.name}>{said(a.title)}</option>)}</select></label>
        <label><span className="vh">{t('Outcome')}</span><select className="ctl" value={search.waits ? 'waits' : search.outcome ?? ''} onChange={e => set(e.target.value === 'waits' ? { waits: 'true', outcome: undefined } : { outcome: e.target.value || undefined, waits: undefined })}><option value="">{t('All outcomes')}</option><option value="waits">{t('For a person')}</option>{OUTCOMES.map(o => <option key={o} value={o}>{outcomeWord(o)}{counts[o] ? ` · ${int(counts[o])}` : ''}</option>)}</select></label>
        <Subject at={search.subject ?? ''} set={subject => set({ subject: subject || undefined })} />
        {/^Customer:/.test(search.subject ?? '') && <Link className="link" to="/customers/$id" params={{ id: search.subject!.slice(9) }}>{t('Portrait')}</Link>}
        {(search.app || outcome || search.subject) && <button className="link" onClick={() => set({ app: undefined, outcome: undefined, waits: undefined, subject: undefined })}>{t('Clear')}</button>}
      </div>
      {ready && !may ? <NoPurpose /> : pages.error ? <Refused error={pages.error} /> : (
        <Card title={t('Decisions')} plain note={total === undefined ? t('{n} shown', { n: int(rows.length) }) : t('{n} of {total}', { n: int(rows.length), total: int(total) })}>
          {pages.isPending ? <div className="wait" style={{ height: 420, margin: 12 }} /> : !rows.length ? <Empty command="heptad decide fraud">{t('No decision fits. Decisions appear when an application decides rows.')}</Empty> : (
            <Scroll label={t('Decisions')}>
              <table style={{ marginTop: 4 }}>
                <thead><tr><th>{t('Instant, UTC')}</th><th>{t('Application')}</th><th>{t('Row')}</th><th>{t('Outcome')}</th><th>{t('Why')}</th></tr></thead>
                <tbody>{rows.map((d, i) => <tr key={d.id} data-at={i === at}><td className="ink2"><When at={d.when} /></td><td>{said(d.app)}</td><td className="mono nowrap"><Link className="link" to="/decisions/$id" params={{ id: d.id }}>{d.on}</Link></td><td><Outcome name={d.outcome} /></td><td className="ink2"><div className="why">{d.erased ? t('erased') : d.why}</div></td></tr>)}</tbody>
              </table>
            </Scroll>
          )}
          {pages.hasNextPage && <div style={{ padding: 12, borderTop: '1px solid var(--line)' }}><button className="btn" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>{t('Show more')}</button></div>}
        </Card>
      )}
    </>
  )
}

function Subject({ at, set }: { at: string; set: (subject: string) => void }) {
  const [text, setText] = useState(at)
  const go = useNavigate()
  const find = () => {
    const given = text.trim()
    if (/^[0-9a-f]{6,}$/.test(given)) void go({ to: '/decisions/$id', params: { id: given } })
    else set(given)
  }
  return <form className="row" onSubmit={e => { e.preventDefault(); find() }}><label><span className="vh">{t('Subject or id')}</span><input className="field" style={{ height: 28, width: 210 }} placeholder={t('Customer:C00000042 or an id')} value={text} onChange={e => setText(e.target.value)} /></label><button className="ctl" type="submit">{t('Find')}</button></form>
}
