// Home: the seven layers as they are now, what needs a person, and what was decided last.
import { Link } from '@tanstack/react-router'
import { ArrowRight, CircleAlert, TriangleAlert } from 'lucide-react'
import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { useOwn, useRead } from '../api/client'
import type { DecisionPage, LayerNode, Overview } from '../api/types'
import { Card, Outcome, Scroll, State, When } from '../design/pieces'
import { Spark } from '../design/spark'
import { ago, compact, int, said, t } from '../i18n'
import './home.css'

const EVERY_MS = 5_000
const WHAT: Record<number, string> = { 7: 'decisions for people', 6: 'pure algorithms', 5: 'features, decisions', 4: 'versions, lineage', 3: 'tables, rows, events', 2: 'check and match', 1: 'where data begins' }

export default function Home() {
  const seen = useRead<Overview>('overview', {}, { every: EVERY_MS, at: 't' })
  return <State q={seen} height={640}>{data => <><Top data={data} /><Layers data={data} /><Latest count={data.figures.find(f => f.name === 'decisions')?.value ?? 0} /></>}</State>
}

function Top({ data }: { data: Overview }) {
  const grave = data.attention.some(a => a.tone === 'bad')
  const title = !data.attention.length ? t('Everything flows.') : grave ? t('Something is broken.') : t('Everything flows; {n} things want a look.', { n: data.attention.length })
  return (
    <div className="home-head">
      <div className="grow">
        <h1>{title}</h1>
        <ul className="attn" aria-label={t('Needs attention')}>
          {data.attention.map(a => {
            const Icon = a.tone === 'bad' ? CircleAlert : TriangleAlert
            return <li key={a.where + a.to} title={a.command}><Icon size={15} className={a.tone} aria-hidden /><span className="clip"><span className="strong">{said(a.where)}</span> <span className="ink2">{said(a.text)}</span></span><To className="link nowrap row" to={a.to}>{said(a.do)}<ArrowRight size={13} aria-hidden /></To></li>
          })}
        </ul>
      </div>
      <dl className="kpis">{data.figures.map(f => <div key={f.name}><dt className="cap ink3">{said(f.name)}</dt><dd title={int(f.value)}>{compact(f.value)}</dd></div>)}</dl>
    </div>
  )
}

/** A link to a path of the console as the server gives it, query and all. */
function To({ to, children, className }: { to: string; children: React.ReactNode; className?: string }) {
  const [path, query] = to.split('?')
  return <Link className={className} to={path} search={(before: Search) => ({ as_of: before.as_of, purpose: before.purpose, ...Object.fromEntries(new URLSearchParams(query ?? '')) })}>{children}</Link>
}

type Path = { from: string; to: string; d: string; tone: string }

function Layers({ data }: { data: Overview }) {
  const box = useRef<HTMLDivElement>(null)
  const [paths, setPaths] = useState<Path[]>([])
  const [size, setSize] = useState([0, 0])
  const [near, setNear] = useState('')
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const draw = () => {
      const frame = element.getBoundingClientRect()
      const tones = new Map(data.layers.flatMap(l => l.nodes.map(n => [n.id, n.tone])))
      const place = (id: string) => element.querySelector(`[data-node="${CSS.escape(id)}"]`)?.getBoundingClientRect()
      setSize([frame.width, frame.height])
      setPaths(data.edges.flatMap(([from, to]) => {
        const a = place(from), z = place(to)
        if (!a || !z || Math.abs(a.top - z.top) < 4) return []
        const x1 = a.left + a.width / 2 - frame.left, y1 = a.top - frame.top, x2 = z.left + z.width / 2 - frame.left, y2 = z.bottom - frame.top
        const middle = (y1 + y2) / 2
        const tone = tones.get(from) === 'bad' ? 'bad' : to === 'quarantine' ? 'warn' : ''
        return [{ from, to, tone, d: `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}` }]
      }))
    }
    draw()
    const watch = new ResizeObserver(draw)
    watch.observe(element)
    void document.fonts?.ready.then(draw)
    return () => watch.disconnect()
  }, [data])
  return (
    <section className="map card" aria-label={t('The seven layers')}>
      <div className="map-h"><span /><span /><span className="right">{t('Count')}</span><span className="right">{t('Last')}</span><span className="right">{t('Failures')}</span></div>
      <div className="map-b" ref={box}>
        <svg className="flows" width={size[0]} height={size[1]} aria-hidden>
          {paths.map(p => <g key={p.from + p.to} className={!near ? '' : p.from === near || p.to === near ? 'near' : 'faint'}><path className="base" d={p.d} /><path className={`flow ${p.tone}`} d={p.d} /></g>)}
        </svg>
        {data.layers.map(layer => (
          <div className={`layer l${layer.number}`} key={layer.number}>
            <div className="l-name"><span className="l-n num">{layer.number}</span><div><h2>{said(layer.name)}</h2><p className="cap ink3">{said(WHAT[layer.number])}</p></div></div>
            <ul className="l-nodes">{layer.nodes.map(n => <Node key={n.id} node={n} near={setNear} />)}{layer.more > 0 && <li className="node off more"><To to="/runs"><b>+{layer.more}</b><span className="cap ink3">{t('more')}</span></To></li>}</ul>
            <div className="num right strong" title={layer.count === null ? '' : int(layer.count)}>{layer.count === null ? '–' : compact(layer.count)}</div>
            <div className="num right ink2 l-fresh">{layer.fresh ? ago(layer.fresh, data.now) : '–'}</div>
            <div className={`num right l-fail ${layer.failures ? 'warn strong' : 'ink3'}`}>{int(layer.failures)}{layer.failing && <span className="cap clip">{said(layer.failing)}</span>}</div>
          </div>
        ))}
      </div>
    </section>
  )
}

function Node({ node, near }: { node: LayerNode; near: (id: string) => void }) {
  const inner = (
    <>
      <span className="row" style={{ gap: 6 }}>{(node.tone === 'warn' || node.tone === 'bad' || node.tone === 'off') && <i className={`dot ${node.tone}`} aria-hidden />}<b className="clip">{said(node.name)}</b></span>
      <span className="cap ink3 clip num">{said(node.note)}</span>
      {node.sub && <span className={`cap clip num ${node.tone || 'ink3'}`}>{said(node.sub)}</span>}
      {node.spark && node.spark.length > 1 && <span className="spark"><Spark data={node.spark} w={220} h={20} /></span>}
    </>
  )
  return <li data-node={node.id} className={`node ${node.tone}`} onMouseEnter={() => near(node.id)} onMouseLeave={() => near('')}>{node.to ? <To to={node.to}>{inner}</To> : <div>{inner}</div>}</li>
}

/** Reads decisions again only when there are new ones: every read of them is recorded. */
function Latest({ count }: { count: number }) {
  const { first, may } = useOwn()
  const seen = useRead<DecisionPage>('decisions', { limit: 8, app: first }, { at: 'until', enabled: may })
  const known = useRef(count), again = seen.refetch
  useEffect(() => { if (may && known.current !== count) { known.current = count; void again() } }, [count, again, may])
  if (!may) return null
  return (
    <div style={{ marginTop: 16 }}>
      <Card title={t('Latest decisions')} plain aside={<Link className="link" to="/decisions">{t('All')}</Link>}>
        <State q={seen}>{data => (
          <Scroll label={t('Latest decisions')}>
            <table style={{ marginTop: 4 }}>
              <thead><tr><th>{t('Instant, UTC')}</th><th>{t('Application')}</th><th>{t('Row')}</th><th>{t('Outcome')}</th><th>{t('Why')}</th></tr></thead>
              <tbody>{data.decisions.map(d => <tr key={d.id}><td className="ink2"><When at={d.when} /></td><td>{said(d.app)}</td><td className="mono nowrap"><Link className="link" to="/decisions/$id" params={{ id: d.id }}>{d.on}</Link></td><td><Outcome name={d.outcome} /></td><td className="ink2"><div className="why">{d.why}</div></td></tr>)}</tbody>
            </table>
          </Scroll>
        )}</State>
      </Card>
    </div>
  )
}
