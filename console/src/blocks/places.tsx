// Where and when in one view: tracks, arcs and heat on a map of the world, and their history under one slider.
import { Deck, MapView, WebMercatorViewport, type Layer } from '@deck.gl/core'
import { DataFilterExtension } from '@deck.gl/extensions'
import { ArcLayer, GeoJsonLayer, LineLayer, ScatterplotLayer } from '@deck.gl/layers'
import type { FeatureCollection } from 'geojson'
import { Minus, Pause, Play, Plus } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { feature } from 'topojson-client'
import atlas from 'world-atlas/countries-50m.json?url'
import { Scroll } from '../design/pieces'
import { compact, int, t } from '../i18n'
import { buckets, cells, columns, tracks, type Leg, type Points, type Spots } from './tracks'
import './places.css'

type Arcs = { at: number[]; from: [number, number][]; to: [number, number][]; amount: number[] }
type Props = { points: Points; arcs?: Arcs; height?: number; unit?: string; all?: number }
type Show = { tracks: boolean; arcs: boolean; heat: boolean }
const FEW = 4_000, SLOW_MS = 250
const HOURS = 3_600_000, SPANS = [0, 24, 168, 720]
const filtering = new DataFilterExtension({ filterSize: 1 })

export default function Places({ points, arcs, height = 440, unit = '', all }: Props) {
  const spots = useMemo(() => columns(points), [points])
  const [table, setTable] = useState(false)
  const [show, setShow] = useState<Show>({ tracks: true, arcs: Boolean(arcs?.at.length), heat: spots.at.length > 400 })
  const first = useMemo(() => spots.at.reduce((a, b) => Math.min(a, b), Infinity), [spots]), last = useMemo(() => spots.at.reduce((a, b) => Math.max(a, b), -Infinity), [spots])
  const [to, setTo] = useState(last)
  const [span, setSpan] = useState(0)
  const [playing, setPlaying] = useState(false)
  useEffect(() => setTo(last), [last])
  useEffect(() => {
    if (!playing) return
    const step = Math.max(HOURS, (last - first) / 160)
    const timer = setInterval(() => setTo(now => { if (now >= last) { setPlaying(false); return last } return Math.min(last, now + step) }), 80)
    return () => clearInterval(timer)
  }, [playing, first, last])
  const from = span ? to - span * HOURS : first
  const shown = useMemo(() => { let n = 0; for (const at of spots.at) if (at >= from && at <= to) n += 1; return n }, [spots, from, to])
  const instant = new Date(to).toISOString().replace('T', ' ').slice(0, 16)
  const sentence = t('{n} of {total} places between {a} and {b}', { n: int(shown), total: int(all ?? spots.at.length), a: new Date(from).toISOString().slice(0, 10), b: instant })
  const toggle = (name: keyof Show, label: string) => <button key={name} className={`ctl ${show[name] ? 'on' : ''}`} aria-pressed={show[name]} onClick={() => setShow({ ...show, [name]: !show[name] })}>{label}</button>
  return (
    <div className="places">
      <div className="row wrap tools">{toggle('tracks', t('Tracks'))}{arcs && arcs.at.length > 0 && toggle('arcs', t('Arcs'))}{toggle('heat', t('Heat'))}<span className="grow" />
        <button className="ctl" aria-pressed={table} onClick={() => setTable(!table)}>{table ? t('As map') : t('As table')}</button></div>
      {table ? <Table spots={spots} from={from} to={to} unit={unit} /> : <Canvas spots={spots} arcs={arcs} from={from} to={to} show={show} height={height} sentence={sentence} />}
      <div className="when">
        <button className="ctl icon" aria-label={playing ? t('Stop') : t('Play')} onClick={() => { if (!playing && to >= last) setTo(first); setPlaying(!playing) }}>{playing ? <Pause size={13} aria-hidden /> : <Play size={13} aria-hidden />}</button>
        <div className="history"><History spots={spots} from={from} to={to} first={first} last={last} />
          <input type="range" min={first} max={last} step={Math.max(60_000, Math.round((last - first) / 2000))} value={to} aria-label={t('Until')} aria-valuetext={instant} onChange={e => { setPlaying(false); setTo(Number(e.target.value)) }} /></div>
        <label><span className="vh">{t('How long back')}</span><select className="ctl" value={span} onChange={e => setSpan(Number(e.target.value))}>{SPANS.map(h => <option key={h} value={h}>{h === 0 ? t('all before') : h === 24 ? t('one day') : h === 168 ? t('one week') : t('thirty days')}</option>)}</select></label>
        <span className="num cap ink3" role="status">{sentence}</span>
      </div>
    </div>
  )
}

/** How much happened when, in bars of equal time; those within the slider's span are lit. */
function History({ spots, from, to, first, last }: { spots: Spots; from: number; to: number; first: number; last: number }) {
  const n = 96, bars = useMemo(() => buckets(spots, first, last, n), [spots, first, last]), most = Math.max(1, ...bars)
  return <svg viewBox={`0 0 ${n * 5} 34`} preserveAspectRatio="none" aria-hidden>{bars.map((v, i) => { const at = first + ((i + 0.5) / n) * (last - first); return v > 0 && <rect key={i} x={i * 5} y={34 - Math.max(1.5, (v / most) * 34)} width={4} height={Math.max(1.5, (v / most) * 34)} fill={at >= from && at <= to ? 'var(--c1)' : 'var(--others)'} /> })}</svg>
}

function Table({ spots, from, to, unit }: { spots: Spots; from: number; to: number; unit: string }) {
  const found = useMemo(() => cells(spots, from, to, 0.5).sort((a, b) => b.n - a.n), [spots, from, to])
  return <Scroll label={t('Places')}><table><thead><tr><th className="r">{t('Latitude')}</th><th className="r">{t('Longitude')}</th><th className="r">{t('Count')}</th><th className="r">{t('Amount')} {unit}</th></tr></thead><tbody>{found.slice(0, 60).map(c => <tr key={`${c.lat} ${c.lon}`}><td className="r">{c.lat.toFixed(1)}</td><td className="r">{c.lon.toFixed(1)}</td><td className="r">{int(c.n)}</td><td className="r">{compact(c.amount / 100)}</td></tr>)}</tbody></table></Scroll>
}

/** A token as the numbers that WebGL takes. */
const ink = (name: string, alpha = 255): [number, number, number, number] => {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1)
  const n = parseInt(text.length === 3 ? [...text].map(c => c + c).join('') : text, 16)
  return [n >> 16, (n >> 8) & 255, n & 255, alpha]
}
const onTop = { depthCompare: 'always' as const, depthWriteEnabled: false }
let land: Promise<FeatureCollection> | undefined
const countries = () => (land ??= fetch(atlas).then(r => r.json()).then(world => feature(world, world.objects.countries) as unknown as FeatureCollection))

function Canvas({ spots, arcs, from, to, show, height, sentence }: { spots: Spots; arcs?: Arcs; from: number; to: number; show: Show; height: number; sentence: string }) {
  const box = useRef<HTMLDivElement>(null), deck = useRef<Deck<MapView> | null>(null)
  const [world, setWorld] = useState<FeatureCollection>()
  const [theme, setTheme] = useState(document.documentElement.dataset.theme)
  const [failed, setFailed] = useState(false)
  const [tip, setTip] = useState<{ x: number; y: number; text: string } | null>(null)
  const base = spots.at[0] ?? 0
  // What a machine draws slowly is drawn thinner: every so many-th place, while the counts stay those of all.
  const [every, setEvery] = useState(1), stride = useRef(1)
  stride.current = every
  const paths = useMemo(() => tracks(spots).filter((_, i) => i % every === 0), [spots, every])
  const [view, setView] = useState<Record<string, unknown> | null>(null)
  useEffect(() => {
    let gone = false
    void countries().then(found => { if (!gone) setWorld(found) })
    const watch = new MutationObserver(() => setTheme(document.documentElement.dataset.theme))
    watch.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => { gone = true; watch.disconnect(); deck.current?.finalize(); deck.current = null }
  }, [])
  useEffect(() => { if (box.current) setView(fitted(spots, box.current.clientWidth, height)) }, [spots, height])
  const layers = useMemo((): Layer[] => {
    const range = { extensions: [filtering], filterRange: [(from - base) / 1000, (to - base) / 1000] as [number, number] }
    const index = { length: Math.ceil(spots.at.length / every) }
    const heat = show.heat ? cells(spots, from, to, 0.18) : []
    const most = Math.max(1, ...heat.map(c => c.n))
    return [
      new GeoJsonLayer({ id: 'land', data: world as never, filled: true, stroked: true, getFillColor: ink('--land'), getLineColor: ink('--coast'), lineWidthMinPixels: 0.8, updateTriggers: { getFillColor: theme, getLineColor: theme } }),
      new ScatterplotLayer({ id: 'heat', data: heat, parameters: onTop, getPosition: (c: { lon: number; lat: number }) => [c.lon, c.lat], getRadius: (c: { n: number }) => 5 + 16 * Math.sqrt(c.n / most), radiusUnits: 'pixels', getFillColor: (c: { n: number }) => ink('--c1', 40 + Math.round(120 * Math.sqrt(c.n / most))), updateTriggers: { getFillColor: theme } }),
      new LineLayer({ id: 'tracks', visible: show.tracks, data: paths, parameters: onTop, getSourcePosition: (p: Leg) => p.from, getTargetPosition: (p: Leg) => p.to, getColor: (p: Leg) => (p.mark ? ink('--warn-fill', 150) : ink('--c1', spots.at.length > 20_000 ? 10 : spots.at.length > 2000 ? 36 : 110)), getWidth: 1.2, widthUnits: 'pixels', getFilterValue: (p: Leg) => (p.at - base) / 1000, updateTriggers: { getColor: theme }, ...range } as never),
      new ArcLayer({ id: 'arcs', visible: show.arcs, data: { length: arcs?.at.length ?? 0 }, parameters: onTop, getSourcePosition: (_: unknown, { index: i }: { index: number }) => arcs!.from[i], getTargetPosition: (_: unknown, { index: i }: { index: number }) => arcs!.to[i], getSourceColor: ink('--c5', 170), getTargetColor: ink('--c4', 190), getWidth: 1.4, getHeight: 0.35, getFilterValue: (_: unknown, { index: i }: { index: number }) => (arcs!.at[i] - base) / 1000, updateTriggers: { getSourceColor: theme, getTargetColor: theme }, ...range } as never),
      new ScatterplotLayer({ id: 'points', data: index, parameters: onTop, pickable: true, getPosition: (_: unknown, { index: i }: { index: number }) => [spots.lon[i * every], spots.lat[i * every]], getRadius: (_: unknown, { index: i }: { index: number }) => (spots.mark[i * every] ? 5 : spots.at.length > 2000 ? 1.6 : 3), radiusUnits: 'pixels', getFillColor: (_: unknown, { index: i }: { index: number }) => (spots.mark[i * every] ? ink('--warn-fill') : ink('--c1', 200)), stroked: spots.at.length < 2000, getLineColor: ink('--surface'), lineWidthMinPixels: 1, getFilterValue: (_: unknown, { index: i }: { index: number }) => (spots.at[i * every] - base) / 1000, updateTriggers: { getFillColor: theme, getLineColor: theme, getPosition: every, getRadius: every, getFilterValue: every }, ...range } as never),
    ]
  }, [spots, paths, arcs, from, to, show, world, theme, base, every])
  useEffect(() => {
    if (!deck.current || spots.at.length / every < FEW) return
    const begun = performance.now()
    const frame = requestAnimationFrame(() => requestAnimationFrame(() => { if (performance.now() - begun > SLOW_MS) setEvery(every * 4) }))
    return () => cancelAnimationFrame(frame)
  }, [from, to, show, spots, every])
  useEffect(() => {
    if (!box.current || !view || !world) return
    if (!deck.current) {
      if (!document.createElement('canvas').getContext('webgl2')) { setFailed(true); return }
      deck.current = new Deck({
        parent: box.current, views: new MapView({ repeat: true }), controller: { scrollZoom: false, dragRotate: false, touchRotate: false }, useDevicePixels: Math.min(2, devicePixelRatio),
        onViewStateChange: ({ viewState }) => { setView(viewState as never) }, onError: () => setFailed(true),
        onHover: ({ index, x, y, layer }) => setTip(layer?.id === 'points' && index >= 0 ? { x, y, text: spots.text?.[index * stride.current] ?? `${spots.who[index * stride.current]} · ${new Date(spots.at[index * stride.current]).toISOString().slice(0, 16).replace('T', ' ')}` } : null),
        getCursor: ({ isHovering, isDragging }) => (isDragging ? 'grabbing' : isHovering ? 'pointer' : 'grab'),
      }) as never
    }
    deck.current!.setProps({ layers, viewState: view as never })
  }, [layers, view, world, spots])
  const zoom = (by: number) => setView(v => v && { ...v, zoom: Math.max(0, Math.min(15, Number(v.zoom) + by)) })
  if (failed) return <p className="warn" style={{ padding: 16 }}>{t('This browser draws no maps (WebGL 2 is off). The table shows the same.')}</p>
  return (
    <div className="canvas" style={{ height }} aria-busy={!world}>
      <div ref={box} role="img" aria-label={sentence} style={{ position: 'absolute', inset: 0 }} />
      <div className="zoom"><button className="ctl icon" aria-label={t('Nearer')} onClick={() => zoom(0.7)}><Plus size={13} aria-hidden /></button><button className="ctl icon" aria-label={t('Farther')} onClick={() => zoom(-0.7)}><Minus size={13} aria-hidden /></button></div>
      {every > 1 && <p className="thin cap" role="note">{t('Drawn slowly here: one in {n} places is shown; the counts are of all.', { n: every })}</p>}
      {tip && <div className="tip" style={{ left: tip.x + 10, top: tip.y + 10 }}>{tip.text}</div>}
    </div>
  )
}

/** The view that holds nearly all points: the outermost hundredth on each side may lie outside. */
function fitted(spots: Spots, width: number, height: number): Record<string, unknown> {
  if (!spots.at.length || width < 50) return { longitude: 10, latitude: 30, zoom: 0.8 }
  const inner = (values: Float64Array) => { const v = Float64Array.from(values).sort(), k = Math.floor(v.length / 100); return [v[k], v[v.length - 1 - k]] as const }
  const [west, east] = inner(spots.lon), [south, north] = inner(spots.lat)
  const fit = new WebMercatorViewport({ width, height }).fitBounds([[west - 0.02, south - 0.02], [east + 0.02, north + 0.02]], { padding: Math.min(36, height / 6), maxZoom: 6.5 })
  return { longitude: fit.longitude, latitude: fit.latitude, zoom: fit.zoom, maxZoom: 15 }
}
