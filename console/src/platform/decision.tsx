// One decision: why, among others, what would have changed it, and the proof that it stands.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { ArrowRight, BadgeCheck, CircleAlert, FileText, RotateCcw, ShieldCheck, UserRound } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { call, useCircumstances, useRead } from '../api/client'
import type { AppInfo, Background, Changes as Least, Explanation, MessageList, Plain, Proof, Replay } from '../api/types'
import { Name } from '../design/named'
import { Card, Empty, Head, Id, Outcome, outcomeFill, outcomeWord, Refused, Scroll, State, Twin, useShortcuts, When } from '../design/pieces'
import { Points, Spread } from '../design/pictures'
import { counted, decimal, instant, int, language, money, percent, said, t } from '../i18n'
import './decision.css'

const Ask = lazy(() => import('./ask')), LetterOf = lazy(() => import('./letter'))
const FIRST = 8

export default function DecisionPage() {
  const { id } = useParams({ strict: false }) as { id: string }
  const seen = useRead<Explanation>(`decisions/${encodeURIComponent(id)}`, { to: 'engineer', language: language() })
  return <State q={seen} height={640}>{data => <View data={data} />}</State>
}

function View({ data }: { data: Explanation }) {
  const behind = useRead<Background>(`decisions/${data.id}/background`, {}, { enabled: !data.erased })
  const { purpose } = useCircumstances()
  const replay = useMutation<Replay, Error>({ mutationFn: () => call(`/v1/decisions/${data.id}/replay`, { method: 'POST', purpose }) })
  const again = replay.mutate
  const [open, setOpen] = useState<'' | 'letter' | 'refer'>('')
  const go = useNavigate(), client = useQueryClient()
  const about = useRead<AppInfo>(`apps/${data.app}`)
  const inboxes = about.data?.inboxes.length ?? 0
  const refer = useMutation<{ case: string }, Error, string>({
    mutationFn: reason => call(`/v1/decisions/${data.id}/refer`, { method: 'POST', body: { reason } }),
    onSuccess: found => { void client.invalidateQueries(); void go({ to: '/cases/$case', params: { case: found.case } }) },
  })
  useShortcuts(data.erased ? {} : { r: () => again(), l: () => setOpen('letter'), ...(inboxes ? { e: () => setOpen('refer') } : {}) })
  const asked = data.row?.amount, amount = Object.values(data.amounts ?? {})[0] ?? (typeof asked === 'number' && data.row?.currency ? `${money(asked, String(data.row.currency))} ${data.row.currency}` : undefined)
  return (
    <>
      <Head over={<><Outcome name={data.outcome} /><span><When at={data.when} /> UTC</span>{data.known_after && <span>· {t('known after {s}', { s: data.known_after })}</span>}</>}
        title={<>{said(data.title ?? data.app)}{amount && <>: {amount}</>}</>}
        aside={!data.erased && <>
          <button className="btn" disabled={replay.isPending} onClick={() => again()}><RotateCcw size={14} aria-hidden />{replay.isPending ? t('Replaying…') : t('Replay')} <kbd aria-hidden>R</kbd></button>
          {(data.outcome === 'decline' || data.outcome === 'refer') && <button className="btn" onClick={() => setOpen('letter')}><FileText size={14} aria-hidden />{t('Letter')} <kbd aria-hidden>L</kbd></button>}
          {inboxes > 0 && <button className="btn primary" onClick={() => setOpen('refer')}><UserRound size={14} aria-hidden />{t('Refer to a person')} <kbd aria-hidden>E</kbd></button>}
        </>}>
        <span className="row wrap" style={{ gap: 6 }}>{data.subject && <Link className="link mono" to="/decisions" search={(before: Search) => ({ ...before, app: data.app, subject: data.subject })}>{data.subject}</Link>}<Name of={data.subject} />{data.on && <><span>·</span><span className="mono">{data.on}</span></>}<span>·</span><Link className="link" to="/apps/$app" params={{ app: data.app }}>{said(data.app)}</Link></span>
      </Head>
      {data.erased ? <Card title={t('Erased')}><p>{data.erased}</p><ul className="row wrap" style={{ marginTop: 8 }}>{data.reasons.map(r => <li key={r.code} className="badge">{r.code}</li>)}</ul></Card> : (
        <div className="grid2">
          <div className="stack"><Why data={data} /><Told id={data.id} app={data.app} /><Values data={data} behind={behind.data} /></div>
          <div className="stack">
            {data.score && <Score data={data} behind={behind.data} />}
            <Changes data={data} behind={behind} flow={about.data?.flow ?? false} />
            <Proven data={data} replay={replay} />
          </div>
        </div>
      )}
      <Suspense fallback={null}>
        {open === 'refer' && <Ask title={t('Refer to a person')} says={t('A case is opened. Whoever works on it may come to another outcome; where that overrides the machine, somebody else must agree.')} go={t('Open a case')} busy={refer.isPending} error={refer.error} close={() => { setOpen(''); refer.reset() }} done={reason => refer.mutate(reason)} />}
        {open === 'letter' && <LetterOf id={data.id} close={() => setOpen('')} />}
      </Suspense>
    </>
  )
}

/** What the person was told of this decision, or why not. */
function Told({ id, app }: { id: string; app: string }) {
  const seen = useRead<MessageList>('outbox', { decision: id, app, limit: 20 })
  if (!seen.data?.messages.length) return null
  return <Card title={t('What the person was told')} plain><Scroll label={t('What the person was told')}><table style={{ marginTop: 4 }}><tbody>{seen.data.messages.map(m => <tr key={m.message}><td><Link className="link strong" to="/messages" search={(before: Search) => ({ ...before, app, decision: id, message: m.message })}>{said(m.letter)}</Link></td><td>{said(m.channel)}</td><td><span className="badge">{said(m.status)}</span></td><td className="ink2">{m.why ? said(m.why) : ''}</td><td className="ink2 right"><When at={m.sent ?? m.planned} /></td></tr>)}</tbody></table></Scroll></Card>
}

function Why({ data }: { data: Explanation }) {
  const lost = (code: string) => { const found = data.score?.lost.find(l => code.toLowerCase().endsWith(l.input.toLowerCase())); return found?.points }
  const most = Math.max(1, ...(data.score?.lost.map(l => l.points) ?? []))
  const points = data.score?.points
  return (
    <Card title={t('Why')} note={points == null ? t('strongest first') : t('strongest first; points lost, of {n}', { n: points })}>
      <ol className="reasons">{data.reasons.map((r, i) => { const n = lost(r.code); return <li key={r.code}><span className="rank num" aria-hidden>{i + 1}</span><p>{r.sentence ?? r.code}</p><span className="badge mono">{r.code}</span>{n === undefined ? <span /> : <Points value={-n} most={most} />}</li> })}</ol>
    </Card>
  )
}

/** A stored value as people read it: amounts in their currency, instants as instants. */
export function shown(value: Plain, unit: string): string {
  if (value === null) return '–'
  if (typeof value === 'boolean') return value ? t('yes') : t('no')
  const currency = / minor units$/.test(unit) ? unit.split(' ')[0] : ''
  if (currency && typeof value === 'number') return money(value, currency)
  if (unit === 'instant' && typeof value === 'number') return instant(new Date(value / 1000).toISOString())
  if (unit === 'fraction' && typeof value === 'number') return percent(value)
  if (typeof value === 'number') return Number.isInteger(value) ? int(value) : decimal(value)
  return value
}
/** The unit behind a value, one or many of it. */
const unitOf = (value: Plain, unit: string) => (value === null || unit === 'fraction' || unit === 'instant' ? '' : / minor units$/.test(unit) ? unit.split(' ')[0] : counted(value, unit))

function Values({ data, behind }: { data: Explanation; behind?: Background }) {
  const [all, setAll] = useState(false)
  const used = data.features ?? []
  const strange = (name: string) => { const spot = behind?.values[name]; return spot?.percentile == null ? -1 : Math.abs(spot.percentile - 50) }
  const ordered = [...used].sort((a, b) => strange(b.name) - strange(a.name))
  const lines = all ? ordered : ordered.slice(0, FIRST)
  const row = Object.entries(data.row ?? {}).filter(([, v]) => v !== null)
  return (
    <>
      <Card title={t('Values among other decisions')} plain note={behind ? t('the last {n} of {app}; least usual first', { n: int(behind.of), app: data.app }) : t('reading…')}
        aside={used.length > FIRST && <button className="ctl" style={{ height: 24 }} onClick={() => setAll(!all)}>{all ? t('Fewer') : t('All {n}', { n: used.length })}</button>}>
        <Scroll label={t('Values among other decisions')}>
          <table>
            <thead><tr><th>{t('Feature')}</th><th className="r">{t('Value')}</th><th>{t('Others')}</th><th className="r">{t('Percentile')}</th></tr></thead>
            <tbody>{lines.map(f => {
              const spot = behind?.values[f.name]
              const edge = spot?.percentile != null && (spot.percentile >= 95 || spot.percentile <= 5)
              return (
                <tr key={f.name} title={f.means}>
                  <td><Link className="strong" to="/features/$name" params={{ name: `${data.app}.${f.name}` }}>{f.name}</Link><div className="cap ink3 means">{f.means}</div></td>
                  <td className={`r strong ${edge ? 'warn' : ''}`}>{shown(f.value, f.unit)} <span className="ink3 cap">{unitOf(f.value, f.unit)}</span></td>
                  <td>{spot ? <Spread spot={spot} tone={edge ? 'var(--warn-fill)' : 'var(--accent)'} /> : <span className="ink3">–</span>}</td>
                  <td className="r">{spot?.percentile == null ? '–' : Math.round(spot.percentile)}</td>
                </tr>
              )
            })}</tbody>
          </table>
        </Scroll>
      </Card>
      <Card title={t('The row as it was')} note={data.on}>
        <dl className="dl twice">{row.map(([name, value]) => <div key={name}><dt>{name}</dt><dd className="num">{name.endsWith('_time') && typeof value === 'number' ? instant(new Date(value / 1000).toISOString()) : /^place_(lat|lon)$/.test(name) && typeof value === 'number' ? (value / 1e7).toFixed(5) : ['amount', 'income', 'expenses'].includes(name) && typeof value === 'number' ? money(value, String(data.row?.currency ?? 'EUR')) : String(value)}</dd></div>)}</dl>
      </Card>
    </>
  )
}

function Score({ data, behind }: { data: Explanation; behind?: Background }) {
  const score = data.score!
  const spot = behind?.score
  const cuts = Object.entries(data.policy ?? {}).filter(([name, v]) => name.endsWith('_points') && typeof v === 'number') as [string, number][]
  return (
    <Card title={t('Score')} aside={<span className="cap ink3 num">{t('probability {p}', { p: percent(score.probability) })}</span>}>
      <div className="row" style={{ alignItems: 'baseline' }}><span className="big">{score.points ?? decimal(score.probability)}</span>{spot?.percentile != null && <span className="ink3">{t('higher than {p} % of {n}', { p: Math.round(spot.percentile), n: int(spot.n) })}</span>}</div>
      {spot && score.points !== null && <Scale spot={spot} at={score.points} cuts={cuts} />}
    </Card>
  )
}

function Scale({ spot, at, cuts }: { spot: NonNullable<Background['score']>; at: number; cuts: [string, number][] }) {
  const w = 352, h = 78
  const low = Math.min(spot.low, ...cuts.map(c => c[1])), high = Math.max(spot.high, ...cuts.map(c => c[1])), wide = high - low || 1
  const x = (v: number) => 6 + ((v - low) / wide) * (w - 12)
  const names = Object.keys(spot.outcomes), most = Math.max(1, ...spot.bins), step = (spot.high - spot.low) / spot.bins.length
  const sentence = t('Score {n} among {of} others', { n: at, of: spot.n }), wideBin = (spot.high - spot.low) / spot.bins.length
  return (
    <Twin sentence={sentence} heads={[t('From'), t('To'), ...names.map(outcomeWord)]} rows={spot.bins.flatMap((n, i) => (n ? [[int(spot.low + i * wideBin), int(spot.low + (i + 1) * wideBin), ...names.map(name => int(spot.outcomes[name][i]))]] : []))}>
      <svg viewBox={`0 0 ${w} ${h + 20}`} width="100%" role="img" aria-label={sentence} style={{ display: 'block', marginTop: 6 }}>
        {spot.bins.map((_, i) => {
          let y = h
          return names.map(name => { const n = spot.outcomes[name][i], tall = (n / most) * (h - 18); y -= tall; return n > 0 && <rect key={name + i} x={x(spot.low + i * step) + 0.5} width={Math.max(1, x(spot.low + step) - x(spot.low) - 1)} y={y} height={tall} fill={outcomeFill(name)} opacity=".55" /> })
        })}
        <line x1={0} x2={w} y1={h} y2={h} stroke="var(--line-2)" />
        {cuts.map(([name, v]) => <g key={name}><line x1={x(v)} x2={x(v)} y1={10} y2={h} stroke="var(--control)" strokeDasharray="2 3" /><text x={Math.max(14, Math.min(w - 14, x(v)))} y={h + 15} textAnchor="middle" className="svgt">{v}</text></g>)}
        <line x1={x(at)} x2={x(at)} y1={8} y2={h} stroke="var(--ink)" strokeWidth="2" /><circle cx={x(at)} cy={8} r="4.5" fill="var(--ink)" />
      </svg>
      <div className="legend">{names.map(name => <span key={name}><i style={{ background: outcomeFill(name) }} />{outcomeWord(name)}</span>)}</div>
    </Twin>
  )
}

function Changes({ data, behind, flow }: { data: Explanation; behind: { data?: Background; error: unknown; isPending: boolean }; flow: boolean }) {
  const least = useRead<Least>(`decisions/${data.id}/changes`, {}, { enabled: flow && data.outcome !== 'approve' })
  const unit = (name: string) => data.features?.find(f => f.name === name)?.unit ?? (['amount', 'income', 'expenses'].includes(name) ? `${data.row?.currency ?? 'EUR'} minor units` : '')
  const found = least.data?.would_be ? least.data : undefined
  return (
    <Card title={t('What would have changed it')} note={least.data ? undefined : t('one value at a time, as others have it')}>
      {found && <div className="least"><p className="strong">{t('The smallest change a person may make')}</p><ul>{found.changes.map(c => <li key={c.name} className="row wrap"><span className="grow wraps">{c.name}</span><span className="num ink2">{shown(c.now, unit(c.name))}</span><ArrowRight size={14} className="ink3" aria-hidden /><span className="num strong">{shown(c.to, unit(c.name))}</span></li>)}</ul><p className="row wrap" style={{ marginTop: 4 }}><Outcome name={found.would_be!} /><span className="cap ink3">{t('{n} combinations tried', { n: int(found.tried) })}{found.complete ? '' : ` · ${t('more were left')}`}</span></p></div>}
      {least.data && !found && <p className="ink2" style={{ marginBottom: 8 }}>{t('Nothing that the person may change would have: {n} combinations tried.', { n: int(least.data.tried) })}</p>}
      {least.data && <p className="cap ink3" style={{ marginTop: 10 }}>{t('one value at a time, as others have it')}</p>}
      <State q={behind} height={96}>{seen => !seen.changes.length ? <p className="ink2">{data.outcome === 'approve' ? t('It was approved; nothing better was to be had.') : t('No single value within what others have would have.')}</p> : (
        <ul className="change">{seen.changes.map(c => <li key={c.name}><p className="wraps"><span className="strong">{c.name}</span></p><div className="row wrap" style={{ marginTop: 3 }}><span className="num ink2">{c.from}</span><ArrowRight size={14} className="ink3" aria-hidden /><span className="num strong">{c.to}</span><Outcome name={c.outcome} /></div></li>)}</ul>
      )}</State>
    </Card>
  )
}

function Proven({ data, replay }: { data: Explanation; replay: { data?: Replay; error: Error | null; isPending: boolean } }) {
  const proof = useRead<Proof>(`decisions/${data.id}/proof`)
  const r = replay.data
  const same = data.code === data.code_now
  return (
    <Card title={t('Proof')} aside={r && (r.identical ? <span className="badge good"><BadgeCheck size={13} aria-hidden />{t('equal, bit for bit')}</span> : <span className="badge bad"><CircleAlert size={13} aria-hidden />{t('differs')}</span>)}>
      {replay.error && <Refused error={replay.error} />}
      {r?.findings.map(f => <p key={f.step} className="bad wraps">{f.step}: {f.what}</p>)}
      <State q={proof} height={88}>{p => (
        <dl className="dl">
          <dt>{t('Replayed')}</dt><dd>{replay.isPending ? t('Replaying…') : r ? t('decided and derived again') : <span className="ink3">{t('press R')}</span>}</dd>
          <dt>{t('Log entry')}</dt><dd className="num">{t('{n} of {total}', { n: int(p.index + 1), total: int(p.size) })}</dd>
          <dt>{t('Leaf')}</dt><dd><Id text={p.leaf} label={t('Copy the hash of the leaf')} /></dd>
          <dt>{t('Path')}</dt><dd className="num">{t('{n} hashes', { n: p.path.length })}</dd>
          <dt>{t('Root')}</dt><dd><Id text={p.root} label={t('Copy the root hash')} /></dd>
          <dt>{t('Checkpoint')}</dt><dd className="row end good" style={{ gap: 5 }}><ShieldCheck size={14} aria-hidden /><Link to="/log">{t('signed')}</Link></dd>
        </dl>
      )}</State>
      <dl className="dl sub">
        <dt>{t('Purpose')}</dt><dd>{said(data.purpose ?? '–')} <span className="ink3">· {said(data.basis ?? '')}</span></dd>
        <dt>{t('Code')}</dt><dd className="mono">{data.code}{!same && <span className="warn"> {t('changed since')}</span>}</dd>
        <dt>{t('Definitions')}</dt><dd className="mono">{data.definitions_version}</dd>
        <dt>{t('Model')}</dt><dd>{data.model ? <Id text={data.model} label={t('Copy the hash of the model')} /> : <span className="ink3">{t('none')}</span>}</dd>
        <dt>{t('Tables')}</dt><dd className="chips">{Object.entries(data.tables ?? {}).map(([name, v]) => <span key={name} className="nowrap"><Link className="link" to="/tables/$table" params={{ table: name }}>{name}</Link> <span className="num ink3">v{v}</span></span>)}</dd>
        <dt>{t('Known by')}</dt><dd>{data.known ? <When at={data.known} /> : '–'}</dd>
      </dl>
      {!data.policy || !Object.keys(data.policy).length ? null : <details className="sub"><summary>{t('{n} settings in force', { n: Object.keys(data.policy).length })}</summary><dl className="dl">{Object.entries(data.policy).map(([name, v]) => <div key={name} style={{ display: 'contents' }}><dt>{name}</dt><dd className="num">{typeof v === 'number' ? decimal(v, 6) : String(v)}</dd></div>)}</dl></details>}
      {!data.reasons.length && <Empty>{t('No reason was given.')}</Empty>}
    </Card>
  )
}
