// Segments: customers who belong together by one condition; made as a picture or as an expression, counted while it changes.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ListChecks, Plus, Save, Trash2 } from 'lucide-react'
import { useEffect, useState } from 'react'
import { call, useCircumstances, useRead } from '../api/client'
import type { KnownName, SegmentCount, SegmentLine, SegmentList, Session } from '../api/types'
import { Called, useNames } from '../design/named'
import { Card, Empty, Head, Refused, Scroll, State, When } from '../design/pieces'
import { Share } from '../design/pictures'
import { int, percent, said, t } from '../i18n'
import { begun, OPS, opsOf, pictured, stored, typed, unitBeside, valuesOf, written, type Group, type Json, type Leaf, type Node, type Op } from './condition'
import { shown } from './decision'
import './segments.css'

export default function Segments() {
  const { segment } = useSearch({ strict: false }) as { segment?: string }
  const seen = useRead<SegmentList>('segments')
  const go = useNavigate()
  const open = (line?: SegmentLine) => void go({ to: '.', search: (before: Search) => ({ ...before, segment: line?.segment, purpose: line?.purpose ?? before.purpose }), replace: true })
  return (
    <>
      <Head title={t('Segments')} aside={<button className="btn" onClick={() => open()}><Plus size={14} aria-hidden />{t('New segment')}</button>}>{t('Who belongs together, how many are they, and may they be read for this?')}</Head>
      <State q={seen} height={480}>{data => {
        const line = data.segments.find(s => s.segment === segment)
        return (
          <div className="stack">
            <Builder key={line ? line.segment + line.version : ''} known={data.known} line={line} saved={open} />
            <Card title={t('Declared segments')} plain>
              {!data.segments.length ? <Empty command="heptad segments declare">{t('No segment has been declared yet. Its condition can be asked for in campaigns, and its members put on a list that flows read.')}</Empty> : (
                <Scroll label={t('Declared segments')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Segment')}</th><th className="r">{t('Version')}</th><th>{t('Purpose')}</th><th>{t('Condition')}</th><th>{t('Declared by')}</th><th>{t('Instant, UTC')}</th></tr></thead>
                  <tbody>{data.segments.map(s => <tr key={s.segment} data-at={s.segment === segment}><td><button className="link strong" onClick={() => open(s)}>{s.segment}</button>{s.note && <div className="cap ink3">{s.note}</div>}</td><td className="r">{s.version}</td><td>{said(s.purpose)}</td><td className="mono ink2 wraps">{s.broken ? <span className="bad">{s.broken}</span> : s.says}</td><td>{s.who}</td><td className="ink2"><When at={s.at} /></td></tr>)}</tbody></table></Scroll>
              )}
            </Card>
          </div>
        )
      }}</State>
    </>
  )
}

function Builder({ known, line, saved }: { known: KnownName[]; line?: SegmentLine; saved: (line: SegmentLine) => void }) {
  const { as_of, purpose } = useCircumstances()
  const [text, setText] = useState(() => pretty((line?.when as Json) ?? written(begun(known.find(k => k.name === 'country') ?? known[0]))))
  const [tab, setTab] = useState<'picture' | 'text'>('picture')
  const when = parsed(text), node = when === undefined ? undefined : pictured(when)
  const [settled, setSettled] = useState(text)
  useEffect(() => { const timer = setTimeout(() => setSettled(text), 350); return () => clearTimeout(timer) }, [text])
  const asked = parsed(settled)
  const tried = useQuery<SegmentCount, Error>({
    queryKey: ['segment', settled, as_of, purpose], enabled: Boolean(purpose) && asked !== undefined, placeholderData: before => before,
    queryFn: ({ signal }) => call('/v1/segments', { method: 'POST', purpose, body: { when: asked, at: as_of ?? '' }, signal }),
  })
  const set = (next: Node) => setText(pretty(written(next)))
  const fresh = settled === text && !tried.isPlaceholderData
  const group: Group | undefined = node && ('join' in node ? node : { join: 'and', parts: [node] })
  return (
    <div className="grid2">
      <div className="stack">
        <Card title={t('Condition')} plain aside={<span className="row" role="group" aria-label={t('How it is shown')}>{(['picture', 'text'] as const).map(name => <button key={name} className={`ctl ${tab === name ? 'on' : ''}`} style={{ height: 24 }} aria-pressed={tab === name} onClick={() => setTab(name)}>{name === 'picture' ? t('Picture') : t('Expression')}</button>)}</span>}>
          {tab === 'text' ? <textarea className="yaml" rows={Math.min(24, Math.max(8, text.split('\n').length + 1))} spellCheck={false} aria-label={t('The condition as an expression')} value={text} onChange={e => setText(e.target.value)} />
            : !group ? <p className="bad" role="alert" style={{ padding: '8px 16px 14px' }}>{t('The expression is no JSON yet.')}</p>
            : <div style={{ padding: '8px 16px 14px' }}><Parts group={group} known={known} alone={fresh ? tried.data?.alone : undefined} looked={tried.data?.looked ?? 0} set={set} /></div>}
          {when !== undefined && tried.error && <div style={{ padding: '0 16px 14px' }}><Refused error={tried.error} /></div>}
        </Card>
        {purpose && tried.data && !tried.error && <Sample found={tried.data} />}
      </div>
      <div className="stack">
        <Card title={t('Who is in it')} note={as_of ? undefined : t('as known now')}>
          {!purpose ? <Why /> : when === undefined || tried.error ? <p className="ink3">{t('Nobody is counted while the condition cannot be read.')}</p> : <State q={tried} height={88}>{found => <Size found={found} busy={!fresh} />}</State>}
        </Card>
        <Keep when={when} purpose={purpose} line={line} ready={fresh && Boolean(tried.data) && !tried.error && !as_of} saved={saved} />
      </div>
    </div>
  )
}

/** Nobody is counted without a reason: those who may not be read for it are in no segment. */
function Why() {
  const session = useRead<Session>('session')
  const go = useNavigate()
  return (
    <>
      <p className="ink2">{t('Say why: only those who may be read for that purpose are counted.')}</p>
      <div className="row wrap" style={{ marginTop: 10 }}>{session.data?.purposes.map(p => <button key={p.name} className="ctl" title={p.sentence} onClick={() => void go({ to: '.', search: (before: Search) => ({ ...before, purpose: p.name }), replace: true })}>{said(p.name)}</button>)}</div>
    </>
  )
}

function Size({ found, busy }: { found: SegmentCount; busy: boolean }) {
  const share = found.members / Math.max(found.looked, 1), whole = found.looked === found.of
  return (
    <div aria-live="polite" aria-busy={busy} className={busy ? 'ink3' : ''}>
      <div className="figure num">{whole ? '' : '≈ '}{int(whole ? found.members : Math.round(share * found.of))}</div>
      <div className="row" style={{ marginTop: 6 }}><Share value={share} /><b className="strong num">{percent(share)}</b><span className="ink3">{t('of {n} who may be read', { n: int(found.of) })}</span></div>
      {!whole && <p className="cap ink3" style={{ marginTop: 6 }}>{t('estimated from {n} of them', { n: int(found.looked) })}</p>}
    </div>
  )
}

function Parts({ group, known, alone, looked, set, depth = 0, drop }: { group: Group; known: KnownName[]; alone?: number[]; looked: number; set: (next: Group) => void; depth?: number; drop?: () => void }) {
  const change = (i: number, next?: Node) => set({ ...group, parts: next ? group.parts.map((p, k) => (k === i ? next : p)) : group.parts.filter((_, k) => k !== i) })
  const first = begun(known.find(k => k.name === 'country') ?? known[0])
  return (
    <div className={depth ? 'parts inner' : 'parts'} role="group" aria-label={group.join === 'and' ? t('All of these hold') : t('One of these holds')}>
      <div className="row">
        <select className="ctl" aria-label={t('How the conditions are joined')} value={group.join} onChange={e => set({ ...group, join: e.target.value as Group['join'] })}><option value="and">{t('All of these hold')}</option><option value="or">{t('One of these holds')}</option></select>
        {drop && <button className="ctl icon" aria-label={t('Remove the group')} onClick={drop}><Trash2 size={13} aria-hidden /></button>}
      </div>
      <ul>{group.parts.map((part, i) => (
        <li key={i}>
          {'join' in part ? <Parts group={part} known={known} looked={looked} set={next => change(i, next)} depth={depth + 1} drop={() => change(i)} />
            : <Row part={part} known={known} set={next => change(i, next)} drop={group.parts.length > 1 || depth ? () => change(i) : undefined} />}
          {alone?.[i] !== undefined && alone.length === group.parts.length && alone.length > 1 && <span className="cap ink3 num alone">{t('{n} alone', { n: int(alone[i]) })} <Share value={alone[i] / Math.max(looked, 1)} tone="var(--c7)" /></span>}
        </li>
      ))}</ul>
      <div className="row"><button className="ctl" onClick={() => set({ ...group, parts: [...group.parts, first] })}><Plus size={13} aria-hidden />{t('Condition')}</button>{depth < 2 && <button className="ctl" onClick={() => set({ ...group, parts: [...group.parts, { join: group.join === 'and' ? 'or' : 'and', parts: [first] }] })}><Plus size={13} aria-hidden />{t('Group')}</button>}</div>
    </div>
  )
}

function Row({ part, known, set, drop }: { part: Leaf | { free: Json }; known: KnownName[]; set: (next: Node) => void; drop?: () => void }) {
  const gone = drop && <button className="ctl icon" aria-label={t('Remove the condition')} onClick={drop}><Trash2 size={13} aria-hidden /></button>
  if ('free' in part) return <div className="rule"><code className="mono wraps grow">{JSON.stringify(part.free)}</code>{gone}</div>
  const of = known.find(k => k.name === part.column)
  const groups = new Map<string, KnownName[]>()
  for (const k of known) { const app = k.name.includes('.') ? k.name.split('.')[0] : ''; groups.set(app, [...(groups.get(app) ?? []), k]) }
  return (
    <div className="rule">
      <select className="field name" aria-label={t('Field or feature')} title={of?.means} value={part.column} onChange={e => set(begun(known.find(k => k.name === e.target.value)!))}>
        {!of && <option value={part.column}>{part.column}</option>}
        {[...groups].map(([app, own]) => <optgroup key={app} label={app || t('The customer')}>{own.map(k => <option key={k.name} value={k.name}>{k.name}</option>)}</optgroup>)}
      </select>
      <select className="field op" aria-label={t('Comparison')} value={part.op} onChange={e => { const op = e.target.value as Op; set({ ...part, op, values: valuesOf(op, part.values, of ? begun(of).values[0] ?? '' : '') }) }}>{opsOf(of?.kind ?? 'text').concat(of && opsOf(of.kind).includes(part.op) ? [] : [part.op]).map(op => <option key={op} value={op}>{said(OPS[op])}</option>)}</select>
      {of && <Values part={part} of={of} set={values => set({ ...part, values })} />}
      {gone}
    </div>
  )
}

function Values({ part, of, set }: { part: Leaf; of: KnownName; set: (values: Leaf['values']) => void }) {
  const many = part.op === 'in' || part.op === 'outside', label = t('Value')
  if (of.kind === 'flag' && part.values.length) return <select className="field value" aria-label={label} value={String(part.values[0])} onChange={e => set([e.target.value === 'true'])}><option value="true">{t('yes')}</option><option value="false">{t('no')}</option></select>
  if (many) return <Typing label={t('Values, with commas')} value={part.values.map(v => typed(v, of)).join(', ')} set={text => set(text.split(',').map(v => v.trim()).filter(Boolean).map(v => stored(v, of)))} />
  if (of.codes.length && of.codes.length <= 400 && part.values.length === 1) return <select className="field value" aria-label={label} value={String(part.values[0])} onChange={e => set([e.target.value])}>{!of.codes.includes(String(part.values[0])) && <option>{String(part.values[0])}</option>}{of.codes.map(c => <option key={c}>{c}</option>)}</select>
  return <>{part.values.map((v, i) => <Typing key={i} label={part.values.length > 1 ? (i ? t('to') : t('from')) : label} value={typed(v, of)} day={of.kind === 'day'} right={of.kind === 'integer' || of.kind === 'number'} set={text => set(part.values.map((old, k) => (k === i ? stored(text, of) : old)))} />)}{part.values.length > 0 && unitBeside(of.unit) && <span className="cap ink3 nowrap">{unitBeside(of.unit)}</span>}</>
}

/** A field that keeps what is being typed, though it means the same as before. */
function Typing({ label, value, set, right, day }: { label: string; value: string; set: (text: string) => void; right?: boolean; day?: boolean }) {
  const [text, setText] = useState(value)
  const [from, setFrom] = useState(value)
  if (value !== from) { setFrom(value); if (Number(text) !== Number(value) || !text.trim()) setText(value) }
  return <input className={`field value ${right ? 'right num' : ''}`} type={day ? 'date' : 'text'} inputMode={right ? 'decimal' : undefined} aria-label={label} value={text} onChange={e => { setText(e.target.value); set(e.target.value) }} />
}

function Sample({ found }: { found: SegmentCount }) {
  const called = useNames(found.sample.map(row => `Customer:${row.id}`))
  const names = found.sample.length ? Object.keys(found.sample[0]).filter(n => n !== 'id') : []
  return (
    <Card title={t('Some of them')} plain note={t('{n} of {total}', { n: int(found.sample.length), total: int(found.members) })}>
      {!found.sample.length ? <Empty>{t('Nobody fits this condition.')}</Empty> : (
        <Scroll label={t('Some of them')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Customer')}</th>{names.map(n => <th key={n} className={typeof found.sample[0][n] === 'number' ? 'r' : undefined}>{n}{unitBeside(found.units[n] ?? '') && <span className="ink3"> {unitBeside(found.units[n])}</span>}</th>)}</tr></thead>
          <tbody>{found.sample.map(row => <tr key={String(row.id)}><td className="mono"><Link className="link" to="/customers/$id" params={{ id: String(row.id) }}>{row.id}</Link> <Called name={called[`Customer:${row.id}`]} /></td>{names.map(n => <td key={n} className={typeof found.sample[0][n] === 'number' ? 'r' : undefined}>{shown(row[n] ?? null, found.units[n] ?? '')}</td>)}</tr>)}</tbody></table></Scroll>
      )}
    </Card>
  )
}

function Keep({ when, purpose, line, ready, saved }: { when?: Json; purpose?: string; line?: SegmentLine; ready: boolean; saved: (line: SegmentLine) => void }) {
  const [name, setName] = useState(line?.segment ?? ''), [note, setNote] = useState(line?.note ?? ''), [days, setDays] = useState('30')
  const client = useQueryClient(), path = `/v1/segments/${encodeURIComponent(name.trim())}`
  const keep = useMutation<SegmentLine, Error>({ mutationFn: () => call(path, { method: 'POST', purpose, body: { when, note } }), onSuccess: made => { void client.invalidateQueries({ queryKey: ['/v1/segments'], exact: false }); void client.invalidateQueries(); saved(made) } })
  const put = useMutation<{ list: string; members: number; stored: number }, Error>({ mutationFn: () => call(`${path}/list`, { method: 'POST', purpose, body: { days: Number(days) } }), onSuccess: () => void client.invalidateQueries() })
  const same = line && pretty(line.when as Json) === pretty(when ?? null) && line.purpose === purpose && line.segment === name.trim()
  return (
    <Card title={t('Keep it')} note={line ? t('version {n}', { n: line.version }) : undefined}>
      <form className="form one" onSubmit={e => { e.preventDefault(); keep.mutate() }}>
        <label><span className="cap ink3">{t('Name')}</span><input className="field" required pattern="[A-Za-z0-9_\-]{1,64}" value={name} onChange={e => setName(e.target.value)} placeholder="busy-travellers" /></label>
        <label><span className="cap ink3">{t('What it is for')}</span><input className="field" maxLength={500} value={note} onChange={e => setNote(e.target.value)} /></label>
        {keep.error && <Refused error={keep.error} />}
        <div className="row end"><button className="btn primary" type="submit" disabled={!ready || !name.trim() || keep.isPending || Boolean(same)}><Save size={14} aria-hidden />{same ? t('Kept') : t('Keep the segment')}</button></div>
      </form>
      {same && (
        <form className="onlist" onSubmit={e => { e.preventDefault(); put.mutate() }}>
          <label className="row"><span className="cap ink3 grow">{t('On the list of its name, for so many days')}</span><input className="field right num" style={{ width: 64, height: 28 }} inputMode="numeric" pattern="[0-9]{1,3}" value={days} onChange={e => setDays(e.target.value)} /></label>
          <button className="btn" disabled={put.isPending}><ListChecks size={14} aria-hidden />{t('Put its members on a list')}</button>
          {put.error && <Refused error={put.error} />}
          {put.data && <p role="status" className="good">{t('{n} stand on the list {list} now', { n: int(put.data.members), list: put.data.list })}</p>}
        </form>
      )}
    </Card>
  )
}

const pretty = (json: Json) => JSON.stringify(json, null, 2)
function parsed(text: string): Json | undefined {
  try {
    const found = JSON.parse(text) as Json
    return found !== null && typeof found === 'object' && !Array.isArray(found) ? found : undefined
  } catch { return undefined }
}
