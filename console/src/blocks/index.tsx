// The blocks that an application's page is made of; what the console does not know it says.
import { lazy, Suspense } from 'react'
import type { BlockData, CaseLink, CaseNode, Decided, Explanation, PageData, Plain, Series, Spot } from '../api/types'
import { Link } from '@tanstack/react-router'
import { Card, Empty, Outcome, outcomeWord, Refused, Scroll, When } from '../design/pieces'
import { Refusal } from '../api/client'
import { decimal, int, said, t } from '../i18n'
import type { Columns } from './tracks'
import './blocks.css'

const Chart = lazy(() => import('./chart'))
const Places = lazy(() => import('./places')), Links = lazy(() => import('./links')), Distribution = lazy(() => import('./distribution'))
const DecideForm = lazy(() => import('./form')), BinEditor = lazy(() => import('./bins')), Grid = lazy(() => import('./grid'))

/** What a block will take, so that little moves when it comes. */
const TALL: Record<string, number> = { stat: 56, chart: 300, map: 540, table: 320, timeline: 300, graph: 320 }
const SHORT = 200

export function Blocks({ page }: { page: PageData }) {
  return <div className="blocks">{page.blocks.map((b, i) => <Block key={i} block={b} />)}</div>
}

export function Block({ block }: { block: BlockData }) {
  const title = said(block.title), width = `w${block.width}`
  if (block.data === undefined && !block.problem) return <Card title={title} note={said(block.note)} className={width}><div className="wait" style={{ height: TALL[block.form] ?? 160 }} aria-busy="true" /></Card>
  if (block.problem) return <div className={width}><Refused error={new Refusal(block.problem)} /></div>
  if (block.form === 'stat') return <Stat title={title} width={width} data={block.data as { value: number | null; unit: string; low?: number; high?: number }} />
  if (block.form === 'graph') {
    const found = block.data as { case: string; nodes: CaseNode[]; links: CaseLink[] }
    return <div className={width}><Suspense fallback={<div className="wait" style={{ height: 320 }} />}><Links title={title} nodes={found.nodes} links={found.links} note={found.case ? <Link className="link mono" to="/cases/$case" params={{ case: found.case }}>{found.case}</Link> : said(block.note)} /></Suspense></div>
  }
  return (
    <Card title={title} note={said(block.note)} className={width} plain={block.form === 'table' || block.form === 'map'}>
      {block.form === 'table' ? <TableBlock title={title} rows={block.data as Record<string, Plain>[]} />
        : block.form === 'chart' ? <Suspense fallback={<div className="wait" style={{ height: 240 }} />}><Chart data={block.data as Series} title={title} /></Suspense>
        : block.form === 'map' ? <Moved data={block.data as Moved} />
        : block.form === 'distribution' ? <Suspense fallback={<div className="wait" style={{ height: 160 }} />}><Distribution data={block.data as (Spot & { name: string; unit: string }) | null} /></Suspense>
        : block.form === 'timeline' ? <Timeline events={block.data as { at: string; kind: string; text: string }[]} />
        : block.form === 'decision' ? <DecisionBlock data={block.data as Explanation | null} />
        : block.form === 'form' ? <Suspense fallback={<div className="wait" style={{ height: 160 }} />}>{(block.data as { editor?: string }).editor === 'bins' ? <BinEditor data={block.data as never} /> : <DecideForm data={block.data as never} />}</Suspense>
        : block.form === 'text' ? <p className="ink2">{said(String(block.data))}</p>
        : <p className="warn">{t('This console does not know the block “{kind}”.', { kind: block.form })}</p>}
    </Card>
  )
}

interface Moved { points: Columns; arcs: { at: number[]; from: [number, number][]; to: [number, number][]; amount: number[] }; of: number }

function Moved({ data }: { data: Moved }) {
  if (!data.points.at.length) return <Empty command="heptad load">{t('No payment at a place is known yet.')}</Empty>
  return <Suspense fallback={<div className="wait" style={{ height: 520, margin: 12 }} />}><Places points={data.points} arcs={data.arcs} all={data.of} height={460} /></Suspense>
}

function Stat({ title, width, data }: { title: string; width: string; data: { value: number | null; unit: string; low?: number; high?: number } }) {
  const text = data.value === null ? '–' : Number.isInteger(data.value) ? int(data.value) : decimal(data.value)
  return <section className={`card stat ${width}`} aria-label={title}><dl><dt className="cap ink3">{title}</dt><dd className="num">{text}</dd><dd className="cap ink3 num">{said(data.unit)}{data.low !== undefined && data.high !== undefined && ` · ${decimal(data.low)} – ${decimal(data.high)}`}</dd></dl></section>
}

const plain = (v: Plain) => (v === null ? '–' : typeof v === 'number' ? (Number.isInteger(v) ? int(v) : decimal(v)) : String(v))
const isDecision = (row: Record<string, unknown>): boolean => 'outcome' in row && 'why' in row && 'id' in row

function TableBlock({ title, rows }: { title: string; rows: Record<string, Plain>[] }) {
  if (!rows?.length) return <Empty>{t('Nothing is there yet.')}</Empty>
  if (isDecision(rows[0])) {
    return <Scroll label={title}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Row')}</th><th>{t('Outcome')}</th><th>{t('Why')}</th></tr></thead><tbody>{(rows as unknown as Decided[]).map(d => <tr key={d.id}><td className="ink2"><When at={d.when} /></td><td className="mono nowrap"><Link className="link" to="/decisions/$id" params={{ id: d.id }}>{d.on}</Link></td><td><Outcome name={d.outcome} /></td><td className="ink2"><div className="why">{d.why}</div></td></tr>)}</tbody></table></Scroll>
  }
  const names = Object.keys(rows[0])
  if (rows.length > SHORT) return <Suspense fallback={<div className="wait" style={{ height: 320 }} />}><Grid label={title} names={names} count={rows.length} right={n => typeof rows[0][n] === 'number'} cell={(i, n) => plain(rows[i][n])} /></Suspense>
  const number = (n: string) => rows.every(r => r[n] === null || typeof r[n] === 'number')
  return <Scroll label={title}><table style={{ marginTop: 4 }}><thead><tr>{names.map(n => <th key={n} className={number(n) ? 'r' : ''}>{said(n)}</th>)}</tr></thead><tbody>{rows.map((r, i) => <tr key={i}>{names.map(n => <td key={n} className={number(n) ? 'r' : ''}>{plain(r[n])}</td>)}</tr>)}</tbody></table></Scroll>
}

function Timeline({ events }: { events: { at: string; kind: string; text: string }[] }) {
  if (!events?.length) return <Empty>{t('Nothing is there yet.')}</Empty>
  const tone = (kind: string) => ({ approve: 'good', decline: 'bad', hold: 'warn', refer: 'warn', challenge: 'warn' })[kind] ?? ''
  return <ul className="tl">{events.map((e, i) => <li key={i}><span className={`mk ${tone(e.kind)}`} aria-hidden /><div><span className="strong">{outcomeWord(e.kind)}</span> <span className="ink3 cap"><When at={e.at} /></span><div className="ink2 two">{e.text}</div></div></li>)}</ul>
}

function DecisionBlock({ data }: { data: Explanation | null }) {
  if (!data) return <Empty>{t('Nothing is there yet.')}</Empty>
  return <div><div className="row wrap"><Outcome name={data.outcome} /><span className="cap ink3"><When at={data.when} /></span><Link className="link mono" to="/decisions/$id" params={{ id: data.id }}>{data.on ?? data.id}</Link></div><ol style={{ marginTop: 8, display: 'grid', gap: 4 }}>{data.reasons.map(r => <li key={r.code}>{r.sentence ?? r.code}</li>)}</ol></div>
}
