// Who paid whom, and who shares a device: people in the middle, money from left to right.
import { useMemo, useState } from 'react'
import type { CaseLink, CaseNode } from '../api/types'
import { Card, Empty, Scroll } from '../design/pieces'
import { int, t } from '../i18n'
import './links.css'

const ROW = 30, TOP = 26, WIDE = 760
const FILL: Record<string, string> = { person: 'var(--c1)', device: 'var(--c4)', merchant: 'var(--c2)', account: 'var(--c7)' }
type Spot = CaseNode & { x: number; y: number; side: 'start' | 'end' }

export default function LinkChart({ nodes, links, note, title = t('Who is linked') }: { nodes: CaseNode[]; links: CaseLink[]; note?: React.ReactNode; title?: string }) {
  const [table, setTable] = useState(false)
  const [near, setNear] = useState('')
  const { spots, tall } = useMemo(() => placed(nodes, links), [nodes, links])
  const kinds = { person: t('person'), device: t('device'), merchant: t('merchant'), account: t('account') }
  if (!links.length) return <Card title={title}><Empty>{t('Nothing links this person with others in that time.')}</Empty></Card>
  const sentence = t('{n} people, devices, merchants and accounts with {m} links; {k} of them belong to an alert', { n: nodes.length, m: links.length, k: links.filter(l => l.decided).length })
  const touched = new Set(links.filter(l => l.from === near || l.to === near).flatMap(l => [l.from, l.to]))
  const name = (id: string) => spots.get(id)?.name ?? id
  return (
    <Card title={title} note={note} plain={table} aside={<button className="ctl" style={{ height: 24 }} aria-pressed={table} onClick={() => setTable(!table)}>{table ? t('As chart') : t('As table')}</button>}>
      {table ? (
        <Scroll label={t('Who is linked')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('From')}</th><th>{t('To')}</th><th>{t('Link')}</th><th className="r">{t('Count')}</th><th className="r">{t('Amount')}</th><th>{t('Alert')}</th></tr></thead><tbody>{links.map(l => <tr key={l.from + l.to + l.what}><td>{name(l.from)}</td><td>{name(l.to)}</td><td>{l.what === 'pays' ? t('pays') : t('uses')}</td><td className="r">{int(l.n)}</td><td className="r">{l.amount ? int(l.amount / 100) : '–'}</td><td>{l.decided ? t('yes') : ''}</td></tr>)}</tbody></table></Scroll>
      ) : (
        <>
          <Scroll label={sentence}>
            <svg className="links" viewBox={`0 0 ${WIDE} ${tall}`} role="img" aria-label={sentence} style={{ minWidth: 560 }}>
              <defs>{['line', 'warn'].map(k => <marker key={k} id={`tip-${k}`} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 .8L7 4L0 7.2z" fill={k === 'warn' ? 'var(--warn-fill)' : 'var(--ink-3)'} /></marker>)}</defs>
              {links.map(l => { const a = spots.get(l.from), b = spots.get(l.to); if (!a || !b) return null; const on = !near || l.from === near || l.to === near; const uses = l.what === 'uses'; const mid = (a.x + b.x) / 2, from = a.x < b.x ? 8 : -8; return <path key={l.from + l.to + l.what} opacity={on ? 1 : 0.12} d={a.x === b.x ? `M${a.x - 8} ${a.y}C${a.x - 60} ${a.y} ${b.x - 60} ${b.y} ${b.x - 8} ${b.y}` : `M${a.x + from} ${a.y}C${mid} ${a.y} ${mid} ${b.y} ${b.x - from * 1.2} ${b.y}`} stroke={l.decided ? 'var(--warn-fill)' : uses ? 'var(--c4)' : 'var(--ink-3)'} strokeWidth={uses ? 1.2 : Math.min(4, 1 + Math.log10(1 + l.n))} strokeDasharray={uses ? '2 4' : undefined} markerEnd={uses ? undefined : `url(#tip-${l.decided ? 'warn' : 'line'})`} /> })}
              {[...spots.values()].map(n => { const on = !near || n.id === near || touched.has(n.id); const right = n.side === 'start'; return (
                <g key={n.id} opacity={on ? 1 : 0.25} onMouseEnter={() => setNear(n.id)} onMouseLeave={() => setNear('')}>
                  {n.kind === 'person' || n.kind === 'account' ? <circle cx={n.x} cy={n.y} r={n.own ? 9 : 6} fill={FILL[n.kind]} stroke="var(--surface)" strokeWidth="2" /> : <rect x={n.x - 6} y={n.y - 6} width="12" height="12" rx="3" fill={FILL[n.kind]} stroke="var(--surface)" strokeWidth="2" />}
                  <text x={right ? n.x + 13 : n.x - 13} y={n.y + 4} className={n.own ? 'own' : ''} dy={n.kind === 'person' ? -14 : 0} dx={n.kind === 'person' ? -13 : 0} textAnchor={n.kind === 'person' ? 'middle' : right ? 'start' : 'end'}>{n.name.length > 26 ? `${n.name.slice(0, 25)}…` : n.name}</text>
                </g>) })}
            </svg>
          </Scroll>
          <div className="legend" style={{ marginTop: 8 }}>{(Object.keys(kinds) as (keyof typeof kinds)[]).filter(k => nodes.some(n => n.kind === k)).map(k => <span key={k}><i style={{ background: FILL[k], borderRadius: k === 'person' || k === 'account' ? '50%' : 2 }} />{kinds[k]}</span>)}<span><i style={{ background: 'var(--warn-fill)', height: 3, verticalAlign: 2 }} />{t('alert')}</span></div>
        </>
      )}
    </Card>
  )
}

/** Three lanes: who pays in, and devices; the people; whom they pay. */
function placed(nodes: CaseNode[], links: CaseLink[]): { spots: Map<string, Spot>; tall: number } {
  const pays = new Set(links.filter(l => l.what === 'pays').map(l => l.from))
  const lane = (n: CaseNode) => (n.kind === 'person' ? 1 : n.kind === 'device' || (n.kind === 'account' && pays.has(n.id)) ? 0 : 2)
  const lanes = [0, 1, 2].map(k => nodes.filter(n => lane(n) === k))
  const most = Math.max(...lanes.map(l => l.length)), tall = TOP * 2 + Math.max(3, most - 1) * ROW
  const at = [170, 330, 560], spots = new Map<string, Spot>()
  lanes.forEach((own, k) => own.forEach((n, i) => {
    const room = tall - 2 * TOP, step = Math.min(room / Math.max(1, own.length - 1), k === 2 ? room : 64)
    spots.set(n.id, { ...n, x: at[k], y: TOP + (room - (own.length - 1) * step) / 2 + i * step, side: k ? 'start' : 'end' })
  }))
  return { spots, tall }
}
