// What flows: streams of features in memory, topics read and written, and what other engines computed.
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useRead } from '../api/client'
import type { Flowing } from '../api/types'
import { Card, Empty, Head, Scroll, State, When } from '../design/pieces'
import { ago, int, said, t } from '../i18n'
import './streams.css'

const EVERY_MS = 5_000
const tone = (state: string) => (state === 'failed' || state === 'refused' || state === 'FAILED' ? 'bad' : ['current', 'finished', 'empty', 'FINISHED'].includes(state) ? '' : 'warn')
/** Where something stands; what is as it should be is quiet. */
const Stands = ({ state }: { state: string }) => (tone(state) ? <span className={`badge ${tone(state)}`}>{said(state)}</span> : <span className="ink2">{said(state)}</span>)

export default function Streams() {
  const seen = useRead<Flowing>('streams', {}, { every: EVERY_MS })
  return (
    <>
      <Head title={t('Streams')}>{t('Does what is kept current keep up, how far are topics read, and what did other engines compute?')}</Head>
      <State q={seen} height={560}>{data => <div className="stack"><Kept data={data} /><div className="blocks"><Sources data={data} /><Sinks data={data} /></div><Jobs data={data} /></div>}</State>
    </>
  )
}

/** A card with a table, or with the sentence that says why there is none. */
function Listed({ title, note, heads, rows, empty, command, width = '' }: { title: string; note?: string; heads: [string, boolean?][]; rows: ReactNode[]; empty: string; command?: string; width?: string }) {
  return (
    <Card title={title} note={note} plain className={width}>
      {!rows.length ? <Empty command={command}>{empty}</Empty> : <Scroll label={title}><table style={{ marginTop: 4 }}><thead><tr>{heads.map(([name, right]) => <th key={name} className={right ? 'r' : undefined}>{name}</th>)}</tr></thead><tbody>{rows}</tbody></table></Scroll>}
    </Card>
  )
}

/** The streams: which features, how much of them lies in memory, how fresh they are. */
function Kept({ data }: { data: Flowing }) {
  const wait = data.journals.reduce((n, j) => n + j.waiting, 0), idle = data.reels.filter(r => r.state === 'empty'), reels = data.reels.filter(r => r.state !== 'empty')
  return (
    <>
      <Listed title={t('Streams of features')} note={data.served ? t('{n} rows answered and not yet stored', { n: int(wait) }) : undefined}
        empty={data.served ? t('No row that a stream keeps has come yet.') : t('Streams are kept while the project is served; this one is not.')} command={data.served ? undefined : 'heptad serve'}
        heads={[[t('Application')], [t('Table')], [t('Status')], [t('Features'), true], [t('Keys in memory'), true], [t('Keys laid away'), true], [t('Places of events'), true], [t('To come'), true], [t('Newest row, UTC')]]}
        rows={reels.map((r, i) => <tr key={r.app + i}><td><Link className="link strong" to="/apps/$app" params={{ app: r.app }}>{r.app}</Link></td><td><Link className="link" to="/tables/$table" params={{ table: r.table }}>{r.table}</Link></td><td><Stands state={r.state} /></td><td className="r" title={r.features.join(', ')}>{int(r.features.length)}</td><td className="r">{int(r.keys)}</td><td className="r">{r.cold_keys === null ? <span className="ink3">–</span> : <>{int(r.cold_keys)}{r.cold_more && '+'}</>}</td><td className="r">{int(r.events)}</td><td className="r">{int(r.later + r.waiting)}</td><td className="ink2">{r.newest ? <><When at={r.newest} /> <span className="cap ink3">{ago(r.newest, data.now)}</span></> : '–'}</td></tr>)} />
      {data.served && (
        <dl className="dl cap asides">
          {idle.length > 0 && <><dt>{t('Empty so far')}</dt><dd>{idle.map(r => `${r.app} ${r.table}`).join(', ')}</dd></>}
          {data.apart.map(a => <div key={a.app} style={{ display: 'contents' }}><dt>{t('From the tables when asked')}</dt><dd>{a.app}: {said(a.why.replace(/\.$/, ''))}</dd></div>)}
          <dt>{t('Snapshots')}</dt><dd>{t('none: a stream begins anew from the tables whenever the project is served')}</dd>
        </dl>
      )}
    </>
  )
}

function Sources({ data }: { data: Flowing }) {
  return <Listed width="w6" title={t('Topics read')} empty={t('No source of the project file reads a topic of Kafka or MQTT.')} command='from = "kafka://…"'
    heads={[[t('Source')], [t('Table')], [t('Status')], [t('Next offset'), true], [t('Stored'), true]]}
    rows={data.sources.map(s => <tr key={s.source}><td><b className="strong">{s.source}</b><div className="cap ink3 mono">{s.topic}</div></td><td><Link className="link" to="/tables/$table" params={{ table: s.table }}>{s.table}</Link></td><td><Stands state={s.state} />{s.when && <div className="cap ink3">{t('Load')} {s.load} · <When at={s.when} /></div>}{s.error && <div className="cap bad wraps">{s.error}</div>}</td><td className="r">{s.positions.length ? s.positions.map(p => <div key={p.partition}><span className="ink3">{p.partition}:</span> {int(p.offset)}</div>) : <span className="ink3">{s.kind === 'mqtt' ? t('kept by the broker') : '–'}</span>}</td><td className="r">{int(s.accepted)}</td></tr>)} />
}

function Sinks({ data }: { data: Flowing }) {
  return <Listed width="w6" title={t('Topics written')} empty={t('Decisions are sent to no topic.')} command="[[sink]]"
    heads={[[t('Sink')], [t('What is sent')], [t('Entry of the log'), true], [t('Waiting'), true]]}
    rows={data.sinks.map(s => <tr key={s.sink}><td><b className="strong">{s.sink}</b><div className="cap ink3 mono">{s.topic}</div></td><td className="ink2">{s.apps.join(', ') || t('All applications')}<div className="cap ink3">{s.outcomes.map(o => said(o)).join(', ') || t('All outcomes')}</div></td><td className="r">{int(s.at)}</td><td className={`r ${s.waiting ? 'warn strong' : ''}`}>{int(s.waiting)}</td></tr>)} />
}

function Jobs({ data }: { data: Flowing }) {
  const { cluster } = data
  const flink = cluster.running ? t('Flink {release} runs: {n} managers', { release: cluster.installed, n: cluster.managers.length }) : cluster.installed ? t('Flink {release} is installed and does not run', { release: cluster.installed }) : t('Flink is not installed on this machine')
  return (
    <>
      <Listed title={t('Jobs of Spark and Flink')} note={flink} empty={t('Nothing has been computed on another engine.')} command="heptad engine run flink APP --to FILE"
        heads={[[t('Run'), true], [t('Engine')], [t('What was done')], [t('Status')], [t('Instant, UTC')], ['s', true], [t('Rows'), true], [t('Features'), true], [t('Not possible there'), true]]}
        rows={data.jobs.map(j => <tr key={j.run}><td className="r">{j.run}</td><td>{j.engine}</td><td className="ink2">{j.what}</td><td><Stands state={j.status} />{j.error && <div className="cap bad wraps">{j.error}</div>}</td><td className="ink2"><When at={j.started} /></td><td className="r">{j.seconds?.toFixed(1) ?? '–'}</td><td className="r">{j.rows === null ? '–' : int(j.rows)}</td><td className="r">{int(j.features)}</td><td className="r">{int(j.refused)}</td></tr>)} />
      {cluster.jobs.length > 0 && <Listed title={t('On the Flink cluster now')} empty="" heads={[[t('Job')], [t('Status')], [t('Back-pressure')], [t('Checkpoints'), true]]}
        rows={cluster.jobs.map(j => <tr key={j.id}><td className="mono">{j.id.slice(0, 12)}</td><td><Stands state={j.state} /></td><td>{j.back_pressure || '–'}</td><td className="r">{int(j.checkpoints)}</td></tr>)} />}
    </>
  )
}
