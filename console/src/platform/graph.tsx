// Lineage as a layered picture: sources on the left, applications on the right, at most 300 nodes.
import { Link } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import type { Lineage } from '../api/types'
import { Card, Empty } from '../design/pieces'
import { said, t } from '../i18n'
import './graph.css'

const KINDS = ['source', 'table', 'feature', 'model', 'app'] as const
const ROW = 30, WIDE = 172, GAP = 58
type Kind = (typeof KINDS)[number]
interface Node { id: string; kind: Kind; title: string; columns: number }

/** Join the two halves of a lineage; columns are folded into their tables unless asked for. */
export function joined(data: Lineage, fold: boolean): { nodes: Node[]; edges: [string, string][] } {
  const nodes = new Map<string, Node>()
  const name = (text: string) => {
    const [kind, title = ''] = text.split(/:(.*)/s) as [Kind, string]
    const whole = fold && (kind === 'table' || kind === 'source') && title.includes('.') ? title.slice(0, title.indexOf('.')) : title
    const id = `${kind}:${whole}`
    const known = nodes.get(id)
    if (known) { if (whole !== title) known.columns += 1 } else if (KINDS.includes(kind)) nodes.set(id, { id, kind, title: whole, columns: whole === title ? 0 : 1 })
    return id
  }
  const seen = new Set<string>()
  for (const graph of [data.upstream, data.downstream]) for (const node of graph.nodes) if (!seen.has(node)) { seen.add(node); name(node) }
  const fresh = new Map([...nodes].map(([id, n]) => [id, { ...n }]))
  const edges = new Map<string, [string, string]>()
  for (const graph of [data.upstream, data.downstream]) for (const [a, b] of graph.edges) { const x = name(a), y = name(b); if (x !== y) edges.set(`${x}>${y}`, [x, y]) }
  return { nodes: [...fresh.values()], edges: [...edges.values()] }
}

export function LineageGraph({ data }: { data: Lineage }) {
  const [columns, setColumns] = useState(false)
  const [near, setNear] = useState('')
  const { nodes, edges } = useMemo(() => joined(data, !columns), [data, columns])
  const lanes = KINDS.map(kind => nodes.filter(n => n.kind === kind)).filter(lane => lane.length)
  const place = new Map<string, { x: number; y: number }>()
  lanes.forEach((lane, i) => {
    const pull = (n: Node) => { const from = edges.filter(e => e[1] === n.id).flatMap(e => place.get(e[0])?.y ?? []); return from.length ? from.reduce((a, b) => a + b, 0) / from.length : 0 }
    const ordered = i ? [...lane].sort((a, b) => pull(a) - pull(b) || a.title.localeCompare(b.title)) : lane
    const most = Math.max(...lanes.map(l => l.length)), off = Math.min((most - lane.length) / 2, 8) * ROW
    ordered.forEach((n, k) => place.set(n.id, { x: i * (WIDE + GAP), y: 28 + off + k * ROW }))
  })
  const tall = 28 + Math.max(1, ...lanes.map(l => l.length)) * ROW, wide = lanes.length * (WIDE + GAP) - GAP
  const touched = new Set(edges.filter(e => e[0] === near || e[1] === near).flat())
  const note = [data.upstream.note, data.downstream.note].filter(Boolean).join(' ')
  const affected = (kind: Kind) => data.downstream.nodes.filter(n => n.startsWith(`${kind}:`)).length
  if (!edges.length) return <Card title={t('Lineage')}><Empty command="heptad load">{t('Nothing is made from it and it is made from nothing known: load rows or declare a feature that reads it.')}</Empty></Card>
  return (
    <Card title={data.node.replace(/^\w+:/, '')} plain note={<>{t('a change touches: features {f}, models {m}, applications {a}', { f: affected('feature'), m: affected('model'), a: affected('app') })}{note && ` · ${note}`}</>} aside={<button className={`ctl ${columns ? 'on' : ''}`} aria-pressed={columns} onClick={() => setColumns(!columns)}>{t('By column')}</button>}>
      <div className="graph" tabIndex={0} role="group" aria-label={t('Lineage of {n}: {nodes} nodes', { n: data.node, nodes: nodes.length })}>
        <div style={{ width: wide, height: tall, position: 'relative' }}>
          <svg width={wide} height={tall} aria-hidden>
            {edges.map(([a, b]) => { const p = place.get(a), q = place.get(b); if (!p || !q) return null; const x1 = p.x + WIDE, y1 = p.y + 12, x2 = q.x, y2 = q.y + 12; const on = near && (a === near || b === near); return <path key={a + b} className={on ? 'on' : near ? 'faint' : ''} d={p.x === q.x ? `M${x1} ${y1}C${x1 + 40} ${y1} ${x1 + 40} ${y2} ${x1} ${y2}` : `M${x1} ${y1}C${x1 + GAP / 2} ${y1} ${x2 - GAP / 2} ${y2} ${x2} ${y2}`} /> })}
          </svg>
          {lanes.map((lane, i) => <span key={lane[0].kind} className="lane cap ink3" style={{ left: i * (WIDE + GAP) }}>{said(`${lane[0].kind}s`)} <span className="num">{lane.length}</span></span>)}
          {nodes.map(n => { const at = place.get(n.id)!; const mine = n.title === data.node || n.id === data.node; return <Link key={n.id} to="/lineage" search={(before: Search) => ({ ...before, of: n.id, tab: undefined })} className={`gnode k-${n.kind} ${mine ? 'mine' : ''} ${near && near !== n.id && !touched.has(n.id) ? 'faint' : ''}`} style={{ left: at.x, top: at.y, width: WIDE }} onMouseEnter={() => setNear(n.id)} onMouseLeave={() => setNear('')} onFocus={() => setNear(n.id)} onBlur={() => setNear('')} title={n.title}><span className="clip">{n.title}</span>{n.columns > 0 && <span className="cap ink3 num">{n.columns}</span>}</Link> })}
        </div>
      </div>
    </Card>
  )
}
