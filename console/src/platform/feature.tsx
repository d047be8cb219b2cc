// One feature: does it mean what I think, everywhere?
import { useMutation } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { BadgeCheck, CircleAlert } from 'lucide-react'
import { call, useCircumstances, useRead } from '../api/client'
import type { FeatureCard, Lineage, Parity } from '../api/types'
import { Card, Empty, Head, Refused, Scroll, State, Twin } from '../design/pieces'
import { int, percent, said, t } from '../i18n'
import { shown } from './decision'
import { LineageGraph } from './graph'

export default function FeaturePage() {
  const { name } = useParams({ strict: false }) as { name: string }
  const seen = useRead<FeatureCard>(`features/${encodeURIComponent(name)}`, {}, { at: 't' })
  const lineage = useRead<Lineage>(`lineage/${encodeURIComponent(`feature:${name}`)}`, {}, { at: 't' })
  return (
    <State q={seen} height={560}>{f => (
      <>
        <Head title={f.name} over={<><span className="badge accent">{said(f.entity)}</span><span>{f.unit}</span><span className="mono">{f.version}</span></>}><span className="wraps">{f.what}</span></Head>
        <div className="grid2">
          <div className="stack">
            <Card title={t('Values in decisions')} note={t('the last {n}; {m} without a value', { n: int(f.decisions), m: f.decisions ? percent(f.missing / f.decisions) : '–' })}>{f.distribution ? <Histogram f={f} /> : <Empty command={`heptad decide ${f.app}`}>{t('No decision has read it yet.')}</Empty>}</Card>
            <Card title={t('Month by month')} plain>
              {!f.months.length ? <Empty>{t('No decision has read it yet.')}</Empty> : <Scroll label={t('Month by month')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Month')}</th><th className="r">n</th><th className="r">5 %</th><th className="r">25 %</th><th className="r">{t('Median')}</th><th className="r">75 %</th><th className="r">95 %</th><th>{t('Spread')}</th></tr></thead><tbody>{f.months.map(m => <tr key={m.month}><td className="num strong nowrap">{m.month}</td><td className="r">{int(m.n)}</td>{[m.low, m.q1, m.median, m.q3, m.high].map((v, i) => <td key={i} className="r">{shown(v, f.unit)}</td>)}<td><Box m={m} low={f.distribution!.low} high={f.distribution!.high} /></td></tr>)}</tbody></table></Scroll>}
            </Card>
          </div>
          <div className="stack">
            <ParityCard f={f} />
            <Card title={t('Who uses it')}><dl className="dl"><dt>{t('Application')}</dt><dd>{f.apps.map(a => <Link key={a} className="link" to="/apps/$app" params={{ app: a }}>{a} </Link>)}</dd><dt>{t('Models')}</dt><dd>{f.models.length ? f.models.join(', ') : <span className="ink3">{t('none')}</span>}</dd><dt>{t('Reads it in its model')}</dt><dd>{f.model ? t('yes') : t('no')}</dd></dl></Card>
            <Card title={t('Definition')} plain><pre className="code" tabIndex={0}>{JSON.stringify(f.definition, null, 1)}</pre></Card>
          </div>
        </div>
        <div style={{ marginTop: 16 }}><State q={lineage} height={240}>{data => <LineageGraph data={data} />}</State></div>
      </>
    )}</State>
  )
}

function Histogram({ f }: { f: FeatureCard }) {
  const spot = f.distribution!, w = 640, h = 150, step = w / spot.bins.length, most = Math.max(1, ...spot.bins)
  const text = (v: number) => shown(Math.abs(v) >= 100 ? Math.round(v) : v, f.unit)
  const sentence = t('{n} values from {low} to {high}', { n: spot.n, low: text(spot.low), high: text(spot.high) }), wide = (spot.high - spot.low) / spot.bins.length
  return (
    <Twin sentence={sentence} heads={[t('From'), t('To'), t('Count')]} rows={spot.bins.flatMap((n, i) => (n ? [[text(spot.low + i * wide), text(spot.low + (i + 1) * wide), int(n)]] : []))}>
      <svg viewBox={`0 0 ${w} ${h + 20}`} width="100%" role="img" aria-label={sentence} style={{ display: 'block' }}>
        {spot.bins.map((n, i) => <rect key={i} x={i * step + 1} width={step - 2} y={h - (n / most) * (h - 6)} height={(n / most) * (h - 6) || 0} rx="1.5" fill="var(--c1)" opacity=".8"><title>{int(n)}</title></rect>)}
        <line x1={0} x2={w} y1={h} y2={h} stroke="var(--line-2)" />
        {[0, 0.5, 1].map(k => <text key={k} x={k * w} y={h + 16} className="svgt" textAnchor={k === 0 ? 'start' : k === 1 ? 'end' : 'middle'}>{text(spot.low + k * (spot.high - spot.low))}</text>)}
      </svg>
    </Twin>
  )
}

function Box({ m, low, high }: { m: FeatureCard['months'][number]; low: number; high: number }) {
  const x = (v: number) => 4 + Math.max(0, Math.min(1, (v - low) / (high - low || 1))) * 112
  return <svg width={120} height={16} aria-hidden style={{ display: 'block' }}><line x1={x(m.low)} x2={x(m.high)} y1={8} y2={8} stroke="var(--control)" /><rect x={x(m.q1)} width={Math.max(2, x(m.q3) - x(m.q1))} y={3} height={10} rx="2" fill="var(--c1)" opacity=".45" /><line x1={x(m.median)} x2={x(m.median)} y1={2} y2={14} stroke="var(--c1)" strokeWidth="2" /></svg>
}

function ParityCard({ f }: { f: FeatureCard }) {
  const { purpose } = useCircumstances()
  const check = useMutation<Parity, Error>({ mutationFn: () => call(`/v1/apps/${f.app}/parity?n=20`, { purpose }) })
  const p = check.data
  return (
    <Card title={t('Parity')} aside={p && (p.identical ? <span className="badge good"><BadgeCheck size={13} aria-hidden />{t('equal, bit for bit')}</span> : <span className="badge bad"><CircleAlert size={13} aria-hidden />{t('differs')}</span>)}>
      <p className="ink2">{t('Three readings, one definition: as of any instant in history, at the moment of a decision, and derived again from stored versions.')}</p>
      {p && <p style={{ marginTop: 8 }} role="status">{t('{n} decisions were derived again: {same} are equal in every feature.', { n: p.of, same: p.derive.identical ?? 0 })}</p>}
      {check.error && <Refused error={check.error} />}
      <button className="btn" style={{ marginTop: 10 }} disabled={check.isPending} onClick={() => check.mutate()}>{check.isPending ? t('Checking…') : t('Check the last 20 decisions')}</button>
    </Card>
  )
}
