// Small pictures drawn as SVG: distribution with a mark, an interval, points.
import type { Spot } from '../api/types'
import { t } from '../i18n'

/** How others' values spread, with this one marked. */
export function Spread({ spot, w = 132, h = 30, tone = 'var(--accent)' }: { spot: Spot; w?: number; h?: number; tone?: string }) {
  const most = Math.max(...spot.bins, 1), step = w / spot.bins.length
  const at = spot.at === null ? null : Math.max(0, Math.min(1, spot.at))
  const mine = at === null ? -1 : Math.min(spot.bins.length - 1, Math.floor(at * spot.bins.length))
  const x = at === null ? 0 : Math.min(w - 1, Math.max(1, (mine + 0.5) * step))
  return (
    <svg width={w} height={h + 5} viewBox={`0 0 ${w} ${h + 5}`} style={{ display: 'block', minWidth: w }} role="img"
      aria-label={spot.percentile === null ? t('Distribution of {n} values', { n: spot.n }) : t('{p} % of {n} are lower', { p: Math.round(spot.percentile), n: spot.n })}>
      {spot.bins.map((n, i) => { const tall = n ? Math.max(2, (n / most) * h) : 1; return <rect key={i} x={i * step + 0.5} y={h - tall} width={step - 1} height={tall} rx=".8" fill={i === mine ? tone : 'var(--others)'} /> })}
      {at !== null && <><line x1={x} x2={x} y1={2} y2={h} stroke={tone} strokeWidth="1.2" opacity=".55" /><path d={`M${x - 3.5} ${h + 5}L${x + 3.5} ${h + 5}L${x} ${h + 0.6}Z`} fill={tone} /></>}
    </svg>
  )
}

/** A value with its interval on a scale from 0 to 1, beside that of a baseline. */
export function Interval({ value, low, high, from = 0, to = 1, tone = 'var(--c1)' }: { value: number; low: number; high: number; from?: number; to?: number; tone?: string }) {
  const x = (v: number) => 4 + ((v - from) / (to - from || 1)) * 152
  return (
    <svg width={160} height={14} viewBox="0 0 160 14" aria-hidden style={{ display: 'block', minWidth: 160 }}>
      <line x1={4} x2={156} y1={7} y2={7} stroke="var(--line)" />
      <line x1={x(low)} x2={x(high)} y1={7} y2={7} stroke={tone} strokeWidth="2" opacity=".5" strokeLinecap="round" />
      <circle cx={x(value)} cy={7} r="3.6" fill={tone} />
    </svg>
  )
}

/** Points lost or won as a bar from the middle. */
export function Points({ value, most }: { value: number; most: number }) {
  const lost = value < 0
  return (
    <span className="points">
      <span className="bar" aria-hidden><i style={{ width: `${(Math.abs(value) / (most || 1)) * 50}%`, [lost ? 'right' : 'left']: '50%', background: lost ? 'var(--bad-fill)' : 'var(--good-fill)' }} /></span>
      <span className={`num strong ${lost ? 'bad' : 'good'}`}>{lost ? '−' : '+'}{Math.abs(value)}</span>
    </span>
  )
}

/** A share as a thin bar. */
export function Share({ value, tone = 'var(--c1)' }: { value: number; tone?: string }) {
  return <span className="share" aria-hidden><i style={{ width: `${Math.max(value > 0 ? 2 : 0, Math.min(100, value * 100))}%`, background: tone }} /></span>
}
