// One model: its card, how it was validated, its points, its data, and what was done to it.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { call, useRead } from '../api/client'
import type { Figure, ModelCard } from '../api/types'
import { Card, Empty, Head, Id, Refused, Scroll, State, Twin, useShortcuts, When } from '../design/pieces'
import { Interval, Points } from '../design/pictures'
import { bytes, decimal, int, percent, said, t } from '../i18n'
import { stageTone } from './models'

const FIGURES: [string, string, boolean][] = [['auc', 'AUC', true], ['gini', 'Gini', true], ['ks', 'KS', true], ['brier', 'Brier', false], ['log_loss', 'Log loss', false], ['ece', 'ECE', false], ['lift_10', 'Lift 10 %', true]]
type Bin = { n: number; predicted: number; rate: Figure }
const figure = (of: Record<string, unknown> | undefined, name: string) => of?.[name] as Figure | undefined

export default function ModelPage() {
  const { number } = useParams({ strict: false }) as { number: string }
  const seen = useRead<ModelCard>(`models/${encodeURIComponent(number)}`)
  return (
    <State q={seen} height={560}>{m => (
      <>
        <Head title={m.model} over={<><span className={`badge ${stageTone(m.stage)}`}>{said(m.stage)}</span><Link className="link" to="/apps/$app" params={{ app: m.app }}>{said(m.app)}</Link></>}>
          {m.approver ? t('Approved by {who}: {note}', { who: m.approver, note: m.note ?? '' }) : t('Trained by {who}; waits for the approval of somebody else.', { who: m.trainer })}
        </Head>
        {!m.approver && <Approve m={m} />}
        <div className="grid2">
          <div className="stack"><Validation m={m} /><PointsCard m={m} /></div>
          <div className="stack"><Calibration m={m} /><Provenance m={m} /></div>
        </div>
      </>
    )}</State>
  )
}

/** Four eyes: whoever reads this approves, and may not be the one who trained it; with the consequence said. */
function Approve({ m }: { m: ModelCard }) {
  const [note, setNote] = useState('')
  const box = useRef<HTMLInputElement>(null)
  useShortcuts({ p: () => box.current?.focus() })
  const client = useQueryClient()
  const approve = useMutation<ModelCard, Error>({ mutationFn: () => call(`/v1/models/${m.number}/approve`, { method: 'POST', body: { note } }), onSuccess: () => void client.invalidateQueries() })
  return (
    <div style={{ marginBottom: 16 }}>
      <Card title={t('Approve')} note={t('it then decides every case of {app} in place of the model in use', { app: said(m.app) })}>
        <form className="row wrap" onSubmit={e => { e.preventDefault(); approve.mutate() }}>
          <label className="grow" style={{ minWidth: 220 }}><span className="vh">{t('What you looked at')}</span><input ref={box} className="field" required minLength={3} maxLength={2000} placeholder={t('What you looked at')} value={note} onChange={e => setNote(e.target.value)} /></label>
          <button className="btn primary" type="submit" disabled={approve.isPending}>{t('Approve')} <kbd aria-hidden>P ↵</kbd></button>
        </form>
        {approve.error && <div style={{ marginTop: 10 }}><Refused error={approve.error} /></div>}
      </Card>
    </div>
  )
}

function Validation({ m }: { m: ModelCard }) {
  const n = m.metrics.ours?.n as number | undefined, bads = m.metrics.ours?.bads as number | undefined
  return (
    <Card title={t('Validation')} plain note={n ? t('{n} later cases held out, {b} of them bad; 95 % intervals', { n: int(n), b: int(bads ?? 0) }) : undefined}>
      <Scroll label={t('Validation')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Figure')}</th><th className="r">{t('This model')}</th><th><span className="vh">{t('with its 95 % interval')}</span></th><th className="r">{t('Baseline')}</th><th><span className="vh">{t('with its 95 % interval')}</span></th></tr></thead>
        <tbody>{FIGURES.map(([name, title, up]) => {
          const a = figure(m.metrics.ours, name), b = figure(m.metrics.logistic, name)
          if (!a) return null
          const from = Math.min(a.low, b?.low ?? a.low), to = Math.max(a.high, b?.high ?? a.high), pad = (to - from) * 0.15 || 0.01
          return <tr key={name}><td className="strong" style={{ minWidth: 132 }}>{title} <span className="cap ink3">{up ? t('more is better') : t('less is better')}</span></td><td className="r strong">{a.value.toFixed(3)}</td><td><Interval {...a} from={from - pad} to={to + pad} /></td><td className="r ink2">{b ? b.value.toFixed(3) : '–'}</td><td>{b && <Interval {...b} from={from - pad} to={to + pad} tone="var(--c7)" />}</td></tr>
        })}</tbody></table></Scroll>
    </Card>
  )
}

function PointsCard({ m }: { m: ModelCard }) {
  const inputs = [...new Set(m.card.map(r => r.input))]
  if (!inputs.length) return null
  const best = new Map(inputs.map(i => [i, Math.max(...m.card.filter(r => r.input === i).map(r => r.points))]))
  const most = Math.max(1, ...m.card.map(r => Math.abs(r.points - best.get(r.input)!)))
  return (
    <Card title={t('Points of the scorecard')} plain note={t('lost against the best bin of each input')}>
      <Scroll label={t('Points of the scorecard')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Input')}</th><th>{t('Bin')}</th><th className="r">{t('Cases')}</th><th className="r">{t('Bad rate')}</th><th className="r">{t('Points')}</th><th>{t('Lost')}</th></tr></thead>
        <tbody>{m.card.map((r, i) => { const first = m.card[i - 1]?.input !== r.input, lost = r.points - best.get(r.input)!, n = r.good + r.bad; return <tr key={i}><td className="strong">{first && <Link to="/features/$name" params={{ name: `${m.app}.${r.input}` }}>{r.input}</Link>}</td><td className="num nowrap">{short(r.bin)}</td><td className="r">{int(n)}</td><td className="r">{n ? percent(r.bad / n) : '–'}</td><td className="r strong">{r.points < 0 ? `−${-r.points}` : r.points}</td><td style={{ minWidth: 150 }}>{lost ? <Points value={lost} most={most} /> : <span className="ink3">{t('best')}</span>}</td></tr> })}</tbody></table></Scroll>
    </Card>
  )
}

/** Edges of bins with no more digits than tell them apart. */
const short = (bin: string) => bin.replace(/\d+\.\d{4,}/g, x => String(Number(Number(x).toPrecision(4))))

function Calibration({ m }: { m: ModelCard }) {
  const bins = (m.metrics.ours?.calibration as Bin[] | undefined) ?? []
  if (!bins.length) return null
  const sentence = t('Calibration: {n} bins; on the line what was said happened', { n: bins.length })
  const w = 352, h = 240, most = Math.max(...bins.map(b => Math.max(b.predicted, b.rate.high))) * 1.05 || 1
  const x = (v: number) => 34 + (v / most) * (w - 44), y = (v: number) => h - 26 - (v / most) * (h - 38)
  return (
    <Card title={t('Calibration')} note={t('said against happened, by tenth')}>
      <Twin sentence={sentence} heads={[t('Said'), t('Happened'), t('with its 95 % interval'), t('Cases')]} rows={bins.map(b => [percent(b.predicted), percent(b.rate.value), `${percent(b.rate.low)} – ${percent(b.rate.high)}`, int(b.n)])}>
      <svg viewBox={`0 0 ${w} ${h}`} width="100%" role="img" aria-label={sentence} style={{ display: 'block' }}>
        {[0, 0.25, 0.5, 0.75, 1].map(k => <g key={k}><line x1={34} x2={w - 10} y1={y(k * most)} y2={y(k * most)} stroke="var(--line)" /><text x={30} y={y(k * most) + 4} textAnchor="end" className="svgt">{percent(k * most, 0)}</text><text x={x(k * most)} y={h - 8} textAnchor={k === 1 ? 'end' : 'middle'} className="svgt">{percent(k * most, 0)}</text></g>)}
        <line x1={x(0)} y1={y(0)} x2={x(most)} y2={y(most)} stroke="var(--control)" strokeDasharray="3 4" />
        {bins.map((b, i) => <g key={i}><line x1={x(b.predicted)} x2={x(b.predicted)} y1={y(b.rate.low)} y2={y(b.rate.high)} stroke="var(--c1)" opacity=".35" strokeWidth="2" /><circle cx={x(b.predicted)} cy={y(b.rate.value)} r="4" fill="var(--c1)" stroke="var(--surface)" strokeWidth="1.5" /></g>)}
      </svg>
      </Twin>
    </Card>
  )
}

function Provenance({ m }: { m: ModelCard }) {
  return (
    <>
      <Card title={t('History')}>{m.events.length ? <ul className="tl">{m.events.map((e, i) => <li key={i}><span className={`mk ${e.event === 'approved' || e.event === 'champion' ? 'good' : ''}`} /><div><b>{said(e.event)}</b> <span className="ink2">{e.who}</span>{e.note && <div className="ink2 wraps">{e.note}</div>}<div className="cap ink3"><When at={e.when} /></div></div></li>)}</ul> : <Empty>{t('Nothing is recorded.')}</Empty>}</Card>
      <Card title={t('Made from')}>
        <dl className="dl">
          <dt>{t('Rows from')}</dt><dd>{m.window[0] ? <When at={m.window[0]} /> : '–'}</dd><dt>{t('Rows until')}</dt><dd>{m.window[1] ? <When at={m.window[1]} /> : '–'}</dd>
          {Object.entries(m.settings).map(([n, v]) => <div key={n} style={{ display: 'contents' }}><dt>{n}</dt><dd className="num">{typeof v === 'number' && v > 1e15 ? new Date(v / 1000).toISOString().slice(0, 10) : typeof v === 'number' ? decimal(v, 6) : String(v)}</dd></div>)}
          <dt>{t('Tables')}</dt><dd className="chips">{Object.entries(m.versions).map(([n, v]) => <span key={n} className="nowrap"><Link className="link" to="/tables/$table" params={{ table: n }}>{n}</Link> <span className="num ink3">v{v}</span></span>)}</dd>
          <dt>{t('Features')}</dt><dd className="num">{Object.keys(m.features).length}</dd><dt>{t('Size')}</dt><dd className="num">{bytes(m.bytes)}</dd><dt>SHA-256</dt><dd><Id text={m.sha256} label={t('Copy the hash of the model')} /></dd>
        </dl>
      </Card>
    </>
  )
}
