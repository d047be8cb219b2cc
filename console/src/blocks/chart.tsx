// A chart of series: counts of days as bars that add up, measures as lines that do not; always also a table.
import { useEffect, useRef, useState } from 'react'
import type { Series } from '../api/types'
import { outcomeFill, outcomeTone, outcomeWord, Scroll } from '../design/pieces'
import { compact, dayOf, decimal, int, t } from '../i18n'

/** A day is told by its day; whatever else stands along the bottom by its name. */
const isDay = (x: string) => /^\d{4}-\d\d-\d\d/.test(x)
const called = (x: string) => (isDay(x) ? dayOf(x) : x)
const H = 240, LEFT = 44, BOTTOM = 24, TOP = 8, MOST = 6

export default function Chart({ data, title }: { data: Series; title: string }) {
  const [table, setTable] = useState(false)
  useEffect(() => {
    const on = (e: KeyboardEvent) => { if (e.key === 't' && !e.metaKey && !e.ctrlKey && !e.altKey && !(e.target as HTMLElement).closest('input,textarea,select,[role=dialog]')) setTable(v => !v) }
    addEventListener('keydown', on)
    return () => removeEventListener('keydown', on)
  }, [])
  const lines = data.drawn === 'lines', show = lines || fractions(data.series) ? decimal : int
  const series = lines ? longest(data.series) : few(data.series)
  const days = [...new Set(series.flatMap(s => s.points.map(p => p[0])))].sort()
  const total = series.reduce((n, s) => n + s.points.reduce((m, p) => m + p[1], 0), 0)
  const most = Math.max(0, ...series.flatMap(s => s.points.map(p => p[1])))
  const sentence = !days.length ? t('Nothing is there yet.') : !lines && fractions(series) ? t('{n} measures of {m}; at most {most}', { n: series.length, m: days.length, most: decimal(most) }) : lines ? t('{n} lines from {first} to {last}; at most {most}', { n: series.length, first: called(days[0]), last: called(days[days.length - 1]), most: decimal(most) }) : t('{total} {what} from {first} to {last}; days with any: {n}', { total: int(total), what: data.y, n: days.length, first: called(days[0]), last: called(days[days.length - 1]) })
  const at = (name: string, day: string) => series.find(s => s.name === name)?.points.find(p => p[0] === day)?.[1] ?? 0
  return (
    <div className="chart">
      <div className="row" style={{ justifyContent: 'space-between', marginBottom: 6 }}>
        <div className="legend">{series.map((s, i) => <span key={s.name}><i style={{ background: fill(s.name, i) }} />{outcomeWord(s.name)}</span>)}</div>
        <button className="ctl" style={{ height: 24 }} aria-pressed={table} onClick={() => setTable(!table)}>{table ? t('As chart') : t('As table')} <kbd aria-hidden>T</kbd></button>
      </div>
      {table ? <Scroll label={title}><table><thead><tr><th>{lines ? t('At') : t('Day')}</th>{series.map(s => <th key={s.name} className="r">{outcomeWord(s.name)}</th>)}</tr></thead><tbody>{[...days].reverse().map(d => <tr key={d}><td className="num">{called(d)}</td>{series.map(s => <td key={s.name} className="r">{has(s, d) || !lines ? show(at(s.name, d)) : ''}</td>)}</tr>)}</tbody></table></Scroll> : <Drawn series={series} days={days} at={at} sentence={sentence} lines={lines} />}
      <p className="cap ink3" style={{ marginTop: 6 }}>{sentence}</p>
    </div>
  )
}

const fill = (name: string, i: number) => (outcomeTone(name) || name === 'skip' ? outcomeFill(name) : name === OTHER ? 'var(--c7)' : `var(--c${(i % 6) + 1})`)
const OTHER = 'other'
const fractions = (all: Series['series']) => all.some(s => s.points.some(p => !Number.isInteger(p[1])))
/** A name as far as there is room for it. */
const short = (name: string, room: number) => { const n = Math.max(4, Math.floor(room / 6.2)); return name.length > n ? `${name.slice(0, n - 1)}…` : name }
const has = (s: Series['series'][number], day: string) => s.points.some(p => p[0] === day)

/** Keep the longest lines, the newest of equal ones: lines do not add up. */
const longest = (all: Series['series']) => [...all].sort((a, b) => b.points.length - a.points.length || (a.name < b.name ? 1 : -1)).slice(0, MOST)

/** Keep the largest series; the rest is one. */
function few(all: Series['series']): Series['series'] {
  if (all.length <= MOST + 1) return all
  const size = (s: Series['series'][number]) => s.points.reduce((n, p) => n + p[1], 0)
  const ordered = [...all].sort((a, b) => size(b) - size(a))
  const rest = new Map<string, number>()
  for (const s of ordered.slice(MOST)) for (const [day, n] of s.points) rest.set(day, (rest.get(day) ?? 0) + n)
  return [...ordered.slice(0, MOST), { name: OTHER, points: [...rest] }]
}

function Drawn({ series, days, at, sentence, lines }: { series: Series['series']; days: string[]; at: (name: string, day: string) => number; sentence: string; lines: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  const [w, setW] = useState(640)
  const [near, setNear] = useState(-1)
  useEffect(() => { const watch = new ResizeObserver(([e]) => setW(Math.max(220, e.contentRect.width))); if (box.current) watch.observe(box.current); return () => watch.disconnect() }, [])
  if (!days.length) return <div ref={box} style={{ height: 60 }} />
  // Shares and other fractions do not add up: their bars stand side by side.
  const apart = !lines && series.length > 1 && fractions(series)
  const sums = days.map(d => (lines || apart ? Math.max(...series.map(s => at(s.name, d))) : series.reduce((n, s) => n + at(s.name, d), 0)))
  const top = lines || apart ? scale(Math.max(...sums)) : nice(Math.max(1, ...sums))
  const label = lines || apart ? (top < 10 ? (v: number) => decimal(v) : compact) : compact, show = lines || apart ? decimal : int
  const step = (w - LEFT - 6) / days.length, x = (i: number) => LEFT + i * step, y = (v: number) => TOP + (1 - v / top) * (H - TOP - BOTTOM)
  const bar = Math.min(46, Math.max(2, step * 0.66)), every = Math.max(1, Math.ceil(days.length / Math.max(1, Math.floor((w - LEFT) / 74))))
  return (
    <div ref={box} onMouseLeave={() => setNear(-1)} onMouseMove={e => setNear(Math.max(0, Math.min(days.length - 1, Math.floor((e.nativeEvent.offsetX - LEFT) / step))))}>
      <svg width={w} height={H} viewBox={`0 0 ${w} ${H}`} role="img" aria-label={sentence} style={{ maxWidth: '100%' }}>
        {[0, 0.25, 0.5, 0.75, 1].map(k => <g key={k}><line x1={LEFT} x2={w} y1={y(k * top)} y2={y(k * top)} stroke={k ? 'var(--line)' : 'var(--line-2)'} /><text x={LEFT - 8} y={y(k * top) + 4} textAnchor="end" className="svgt">{label(k * top)}</text></g>)}
        {lines && series.map((s, k) => <path key={s.name} d={s.points.map(([d, v], n) => `${n ? 'L' : 'M'}${(x(days.indexOf(d)) + step / 2).toFixed(1)} ${y(v).toFixed(1)}`).join('')} fill="none" stroke={fill(s.name, k)} strokeWidth={1.75} strokeLinejoin="round" />)}
        {lines && series.filter(s => s.points.length === 1).map((s, k) => <circle key={s.name} cx={x(days.indexOf(s.points[0][0])) + step / 2} cy={y(s.points[0][1])} r={3} fill={fill(s.name, k)} />)}
        {near >= 0 && lines && <line x1={x(near) + step / 2} x2={x(near) + step / 2} y1={TOP} y2={H - BOTTOM} stroke="var(--line-2)" />}
        {days.map((d, i) => { let under = 0; return <g key={d} opacity={near < 0 || near === i ? 1 : 0.45}>{!lines && series.map((s, k) => { const n = at(s.name, d); if (!n) return null; if (apart) return <rect key={s.name} x={x(i) + (step - bar) / 2 + (k * bar) / series.length} width={Math.max(1, bar / series.length - 1)} y={y(n)} height={Math.max(0.5, y(0) - y(n))} fill={fill(s.name, k)} />; const y0 = y(under); under += n; return <rect key={s.name} x={x(i) + (step - bar) / 2} width={bar} y={y(under)} height={Math.max(0.5, y0 - y(under))} fill={fill(s.name, k)} /> })}{i % every === 0 && <text x={x(i) + step / 2} y={H - 6} textAnchor="middle" className="svgt">{isDay(d) ? dayOf(d).slice(5) : short(d.replace(/^0+(?=\d)/, ''), step * every)}</text>}</g> })}
      </svg>
      {near >= 0 && <div className="tip" style={{ left: Math.min(x(near) + step, w - 150), top: 30 }}><b className="num">{called(days[near])}</b>{series.map((s, k) => (lines ? has(s, days[near]) : at(s.name, days[near]) > 0) && <div key={s.name} className="row num" style={{ gap: 6 }}><i className="dot" style={{ background: fill(s.name, k), borderRadius: 2 }} />{outcomeWord(s.name)}<span className="grow right">{show(at(s.name, days[near]))}</span></div>)}</div>}
    </div>
  )
}

/** The top of a scale of any size whose quarters are round numbers. */
function scale(v: number): number {
  if (!(v > 0)) return 1
  const p = 10 ** Math.floor(Math.log10(v))
  return [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10].find(k => k * p >= v - 1e-12)! * p
}

/** The top of a scale whose quarters are round numbers. */
function nice(v: number): number {
  if (v <= 40) return Math.ceil(v / 4) * 4
  const p = 10 ** Math.floor(Math.log10(v))
  return [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10].find(k => k * p >= v)! * p
}
