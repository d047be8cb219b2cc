// What ran: loads of sources and runs of jobs.
import { Link } from '@tanstack/react-router'
import { useCircumstances, useRead } from '../api/client'
import type { LoadLine, RunLine } from '../api/types'
import { Card, Empty, Head, Scroll, State, When } from '../design/pieces'
import { int, said, t } from '../i18n'

const tone = (status: string) => (status === 'failed' || status === 'refused' ? 'bad' : status === 'committed' || status === 'finished' ? '' : 'warn')

export default function Runs() {
  const { as_of } = useCircumstances()
  const loads = useRead<{ loads: LoadLine[] }>('loads'), runs = useRead<{ runs: RunLine[] }>('runs')
  return (
    <>
      <Head title={t('Runs')}>{t('What ran, what did it bring, and what failed?')}</Head>
      <div className="stack">
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
