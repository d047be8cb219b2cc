// What is due by the clock, and what ran: loads of sources and runs of jobs.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import { call, useCircumstances, useRead } from '../api/client'
import type { LoadLine, RunLine, ScheduleInfo } from '../api/types'
import { Card, Empty, Head, Refused, Scroll, State, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const tone = (status: string) => (status === 'failed' || status === 'refused' ? 'bad' : status === 'committed' || status === 'finished' ? '' : 'warn')

/** What is due by the clock, what waits, what did not come; and the button that does what is due. */
function Schedules() {
  const seen = useRead<ScheduleInfo>('schedule')
  const client = useQueryClient()
  const run = useMutation<{ done: unknown[]; pending: number }, Error>({ mutationFn: () => call('/v1/schedule/run', { method: 'POST', body: {} }), onSuccess: () => void client.invalidateQueries() })
  return (
    <State q={seen} height={180}>{data => (
      <>
        {data.alarms.some(a => !a.ended) && <Card title={t('Did not come')}><ul className="tl">{data.alarms.filter(a => !a.ended).map(a => <li key={a.schedule + a.label}><span className="mk bad" aria-hidden /><div><b>{a.schedule}</b> <span className="ink2">{a.says}</span><div className="cap ink3">{a.label} · <When at={a.raised} /></div></div></li>)}</ul></Card>}
        <Card title={t('Schedule')} plain note={t('{n} jobs can be run', { n: data.jobs.length })} aside={data.schedules.length > 0 && <button className="ctl" style={{ height: 24 }} disabled={run.isPending} onClick={() => run.mutate()}><Play size={12} aria-hidden />{run.isPending ? t('Running…') : t('Do what is due')}</button>}>
          {run.error && <div style={{ padding: '8px 16px 0' }}><Refused error={run.error} /></div>}
          {run.data && <p role="status" style={{ padding: '8px 16px 0' }}>{t('{n} done, {m} wait', { n: run.data.done.length, m: run.data.pending })}</p>}
          {!data.schedules.length ? <Empty command="[[schedule]]">{t('Nothing is done by the clock yet. Jobs that can be: {jobs}.', { jobs: data.jobs.join(', ') })}</Empty> : (
            <Scroll label={t('Schedule')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Schedule')}</th><th>{t('Job')}</th><th>{t('When')}</th><th>{t('Next')}</th><th className="r">{t('Done')}</th><th className="r">{t('Due')}</th><th className="r">{t('Failed')}</th></tr></thead>
              <tbody>{data.schedules.map(s => <tr key={s.name}><td className="strong">{s.name}</td><td className="mono">{s.job}</td><td><span className="mono">{s.when}</span> <span className="cap ink3">{s.zone}{s.calendar && ` · ${s.calendar}`}</span></td><td className="num">{s.next ?? '–'}</td><td className="r">{int(s.done)}</td><td className="r">{int(s.due + s.running)}</td><td className={`r ${s.failed ? 'bad strong' : ''}`}>{int(s.failed)}</td></tr>)}</tbody></table></Scroll>
          )}
          {data.pending.length > 0 && <Scroll label={t('Waiting')}><table><tbody>{data.pending.map(p => <tr key={p.schedule + p.label}><td className="strong">{p.schedule}</td><td className="num">{p.label}</td><td><span className={`badge ${tone(p.status)}`}>{said(p.status)}</span></td><td className="ink2 wraps">{p.error}</td></tr>)}</tbody></table></Scroll>}
        </Card>
      </>
    )}</State>
  )
}

export default function Runs() {
  const { as_of } = useCircumstances()
  const loads = useRead<{ loads: LoadLine[] }>('loads'), runs = useRead<{ runs: RunLine[] }>('runs')
  return (
    <>
      <Head title={t('Runs')}>{t('What ran, what did it bring, and what failed?')}</Head>
      <div className="stack">
        {!as_of && <Schedules />}
        <Card title={t('Loads')} plain note={t('the last {n}', { n: loads.data?.loads.length ?? 0 })}>
          <State q={loads}>{data => !data.loads.length ? <Empty command="heptad load">{t('Nothing has been loaded.')}</Empty> : (
            <Scroll label={t('Loads')}><table style={{ marginTop: 4 }}><thead><tr><th className="r">{t('Load')}</th><th>{t('Source')}</th><th>{t('Table')}</th><th>{t('Status')}</th><th>{t('Instant, UTC')}</th><th className="r">{t('Read')}</th><th className="r">{t('Stored')}</th><th className="r">{t('Set aside')}</th><th className="r">{t('Version')}</th></tr></thead>
              <tbody>{data.loads.filter(x => !as_of || x.when <= as_of).map(x => <tr key={x.load}><td className="r">{x.load}</td><td>{x.source}</td><td><Link className="link" to="/tables/$table" params={{ table: x.table }}>{x.table}</Link></td><td><span className={`badge ${tone(x.status)}`}>{said(x.status)}</span></td><td className="ink2"><When at={x.when} /></td><td className="r">{int(x.read)}</td><td className="r">{int(x.accepted)}</td><td className={`r ${x.quarantined ? 'warn strong' : ''}`}>{x.quarantined ? <Link to="/tables/$table" params={{ table: x.table }} search={(before: Search) => ({ ...before, tab: 'quarantine' })}>{int(x.quarantined)}</Link> : '0'}</td><td className="r">{x.version ?? '–'}</td></tr>)}</tbody></table></Scroll>
          )}</State>
        </Card>
        <Card title={t('Jobs')} plain>
          <State q={runs} height={120}>{data => !data.runs.length ? <Empty command="heptad run">{t('No job has run. Applications declare jobs that are done once for each date.')}</Empty> : (
            <Scroll label={t('Jobs')}><table style={{ marginTop: 4 }}><thead><tr><th className="r">{t('Run')}</th><th>{t('Job')}</th><th>{t('For')}</th><th>{t('Status')}</th><th className="r">{t('Attempt')}</th><th>{t('Instant, UTC')}</th><th className="r">s</th><th>{t('Steps')}</th></tr></thead>
              <tbody>{data.runs.filter(x => !as_of || x.started <= as_of).map(x => <tr key={x.run}><td className="r">{x.run}</td><td>{x.job}</td><td className="num">{x.date}</td><td><span className={`badge ${tone(x.status)}`}>{said(x.status)}</span>{x.error && <div className="bad cap wraps">{x.error}</div>}</td><td className="r">{x.attempt}</td><td className="ink2"><When at={x.started} /></td><td className="r">{x.seconds?.toFixed(1) ?? '–'}</td><td className="num">{x.steps.filter(s => s.done).length} / {x.steps.length}</td></tr>)}</tbody></table></Scroll>
          )}</State>
        </Card>
      </div>
    </>
  )
}
