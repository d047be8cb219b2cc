// One case: what happened, who is linked with whom, where; and the work on it until it is closed.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { ArrowDownLeft, ArrowUpRight, CreditCard, FilePlus2, Pause, StickyNote, UserPlus } from 'lucide-react'
import { lazy, Suspense, useRef, useState } from 'react'
import { call, send, useCircumstances, useRead } from '../api/client'
import type { Around, CaseLine, Session, Surroundings, WholeCase } from '../api/types'
import LinkChart from '../blocks/links'
import { Name } from '../design/named'
import { Card, Empty, Head, Id, Outcome, outcomeWord, Refused, Scroll, State, useShortcuts, When } from '../design/pieces'
import { bytes, dayOf, instant, int, money, said, t } from '../i18n'
import { caseTone, Due } from './cases'
import './case.css'

const GeoMap = lazy(() => import('../blocks/places'))
const Ask = lazy(() => import('./ask'))
const FIRST = 12
type Step = { action: 'assign' | 'notes' | 'propose' | 'agree' | 'reject'; body: unknown }
type Asked = { title: string; says: string; go: string; step: (text: string) => Step }

export default function CasePage() {
  const { case: id } = useParams({ strict: false }) as { case: string }
  const seen = useRead<WholeCase>(`cases/${encodeURIComponent(id)}`, {}, { at: 't' })
  return <State q={seen} height={640}>{data => <View data={data} />}</State>
}

function View({ data }: { data: WholeCase }) {
  const near = useRead<Surroundings>(`cases/${data.case}/surroundings`, {}, { at: 't' })
  const session = useRead<Session>('session')
  const [asked, setAsked] = useState<Asked | null>(null)
  const client = useQueryClient()
  const step = useMutation<CaseLine, Error, Step>({
    mutationFn: ({ action, body }) => call(`/v1/cases/${data.case}/${action}`, { method: 'POST', body }),
    onSuccess: () => { setAsked(null); void client.invalidateQueries() },
  })
  // What was is looked at; work is done on what is.
  const { as_of } = useCircumstances()
  const me = session.data?.id ?? '', open = data.status !== 'closed', works = open && !as_of
  const decide = (outcome: string): Asked => ({
    title: t('Close as {outcome}', { outcome: said(outcome) }), go: data.four_eyes.includes(outcome) ? t('Propose') : t('Close the case'),
    says: [t('{n} decisions become: {outcome}.', { n: data.alerts, outcome: outcomeWord(data.becomes[outcome] ?? outcome) }), data.learns[outcome] ? t('Models learn from it: {label}.', { label: data.learns[outcome] }) : '', data.four_eyes.includes(outcome) ? t('Somebody else must agree first.') : ''].filter(Boolean).join(' '),
    step: text => ({ action: 'propose', body: { outcome, reason: text } }),
  })
  const note: Asked = { title: t('Note'), says: t('It is sealed under the key of the person whom the case is about.'), go: t('Keep the note'), step: text => ({ action: 'notes', body: { text } }) }
  const reject: Asked = { title: t('Do not agree'), says: t('The case goes back to whoever works on it.'), go: t('Send back'), step: text => ({ action: 'reject', body: { reason: text } }) }
  const mine = data.assignee === me
  const assign = () => step.mutate({ action: 'assign', body: { to: mine ? '' : me } })
  const agree = () => step.mutate({ action: 'agree', body: { revision: data.revision } })
  const letter = (outcome: string) => (/[^adegjknrtgo]/.test(outcome[0]) ? outcome[0] : String(data.outcomes.indexOf(outcome) + 1))
  const waiting = data.status === 'waiting'
  useShortcuts(works && me ? { a: assign, n: () => setAsked(note), ...(waiting ? { y: agree, u: () => setAsked(reject) } : Object.fromEntries(data.outcomes.map(o => [letter(o), () => setAsked(decide(o))]))) } : {})
  return (
    <>
      <Head title={<>{said(data.title)}{data.amount && data.alerts === 1 && <>: {data.amount}</>}</>}
        over={<><span className={`badge ${open ? caseTone(data) : 'good'}`}>{open ? said(data.status) : t('closed as {outcome}', { outcome: said(data.outcome) })}</span>{open && <span className="row" style={{ gap: 4 }}>{t('decide')} <Due at={data.due} now={data.now} level={data.level} /></span>}<span>· {data.assignee ? (mine ? t('assigned to you') : t('assigned to {who}', { who: data.assignee })) : t('assigned to nobody')}</span>{data.calendar && <span>· {data.calendar}</span>}</>}
        aside={works && <div className="acts row wrap">
          <button className="btn" onClick={() => setAsked(note)}><StickyNote size={14} aria-hidden />{t('Note')} <kbd aria-hidden>N</kbd></button>
          <button className="btn" disabled={step.isPending} onClick={assign}><UserPlus size={14} aria-hidden />{mine ? t('Give back') : t('Take it')} <kbd aria-hidden>A</kbd></button>
          {waiting ? <>
            <button className="btn" onClick={() => setAsked(reject)}>{t('Do not agree')} <kbd aria-hidden>U</kbd></button>
            <button className="btn primary" disabled={step.isPending} onClick={agree}>{t('Agree: {outcome}', { outcome: said(data.proposed) })} <kbd aria-hidden>Y</kbd></button>
          </> : data.outcomes.map(o => <button key={o} className={`btn ${data.becomes[o] === 'decline' ? 'danger' : ''}`} onClick={() => setAsked(decide(o))}><span className="first">{said(o)}</span> <kbd aria-hidden>{letter(o).toUpperCase()}</kbd></button>)}
        </div>}>
        <span className="row wrap" style={{ gap: 6 }}><Link className="link mono" to="/decisions" search={(before: Search) => ({ ...before, app: data.app, subject: data.subject })}>{data.subject}</Link><Name of={data.subject} /><span>·</span><span>{data.why}</span></span>
      </Head>
      {step.error && !asked && <div style={{ marginBottom: 16 }}><Refused error={step.error} /></div>}
      {waiting && <div className="then now"><Pause size={15} aria-hidden />{t('{who} proposes: {outcome}. Somebody else must agree.', { who: data.proposer, outcome: said(data.proposed) })}</div>}
      <Facts data={data} near={near.data} />
      <div className="casegrid">
        <State q={near} height={520}>{found => <Happened found={found} />}</State>
        <div className="stack">
          <State q={near} height={320}>{found => <LinkChart nodes={found.nodes} links={found.links} note={t('thirty days back')} />}</State>
          <Alerts data={data} />
          <div className="casegrid two">
            <Where near={near.data} />
            <div className="stack"><Papers data={data} open={works} /><Steps data={data} /></div>
          </div>
        </div>
      </div>
      <Suspense fallback={null}>{asked && <Ask title={asked.title} says={asked.says} go={asked.go} busy={step.isPending} error={step.error} close={() => { setAsked(null); step.reset() }} done={text => step.mutate(asked.step(text))} />}</Suspense>
    </>
  )
}

function Facts({ data, near }: { data: WholeCase; near?: Surroundings }) {
  const held = near?.events.filter(e => e.decided) ?? []
  const sums = new Map<string, number>()
  for (const e of held) sums.set(e.currency, (sums.get(e.currency) ?? 0) + e.amount)
  const count = (kind: string) => near?.nodes.filter(n => n.kind === kind).length ?? 0
  const facts: [string, string][] = [
    [t('Stopped'), [...sums].map(([c, n]) => `${money(n, c)} ${c}`).join(' + ') || data.amount || '–'],
    [t('Alerts'), int(data.alerts)], [t('People'), int(count('person'))], [t('Devices'), int(count('device'))], [t('Merchants'), int(count('merchant'))],
    [t('Shared'), data.keys.filter(k => k !== data.subject).join(', ') || '–'],
  ]
  return <section className="card" aria-label={t('In short')} style={{ padding: '12px 16px', marginBottom: 16 }}><dl className="facts">{facts.map(([n, v]) => <div key={n}><dt>{n}</dt><dd className="num wraps">{v}</dd></div>)}</dl></section>
}

const icon = (e: Around) => (e.decided ? Pause : e.kind === 'transfer in' ? ArrowDownLeft : e.kind === 'transfer out' ? ArrowUpRight : CreditCard)

function Happened({ found }: { found: Surroundings }) {
  const [all, setAll] = useState(false)
  const ordered = found.events, shown = all ? ordered : pick(ordered)
  if (!ordered.length) return <Card title={t('What happened')}><Empty>{found.left_out.length ? t('This purpose does not cover {tables}.', { tables: found.left_out.join(', ') }) : t('Nothing is known of this person around that time.')}</Empty></Card>
  return (
    <Card title={t('What happened')} note={t('{n} of {total}', { n: int(shown.length), total: int(found.of) })} aside={ordered.length > shown.length || all ? <button className="ctl" style={{ height: 24 }} onClick={() => setAll(!all)}>{all ? t('Fewer') : t('All {n}', { n: int(ordered.length) })}</button> : undefined}>
      <ol className="tl what">{shown.map(e => { const Icon = icon(e); return (
        <li key={e.kind + e.id}><span className={`mk ${e.decided ? 'warn' : ''}`} aria-hidden><Icon size={10} strokeWidth={2.4} /></span>
          <div><span className="amt num strong">{e.kind === 'transfer in' ? '+' : ''}{money(e.amount, e.currency)} <span className="ink3 cap">{e.currency}</span></span><div className="cap ink3 num">{instant(e.when)}</div>
            <p>{e.kind === 'payment' ? e.name || t('a merchant') : e.kind === 'transfer in' ? t('from {who}', { who: e.name || '–' }) : t('to {who}', { who: e.name || '–' })}{e.country && <span className="ink3"> {e.country}</span>}</p>
            <div className="row wrap cap ink3" style={{ gap: 6 }}>{e.decided && <span className="badge warn">{t('alert')}</span>}{e.channel && <span>{said(e.channel)}</span>}{e.device && <span className="mono">{e.device}</span>}{e.status === 'declined' && <span className="badge">{said(e.status)}</span>}</div>
          </div>
        </li>) })}</ol>
    </Card>
  )
}

/** The alerts and what lies next to them in time. */
function pick(events: Around[]): Around[] {
  const near = new Set<number>()
  events.forEach((e, i) => { if (e.decided) [i - 1, i, i + 1].forEach(k => near.add(k)) })
  for (let i = 0; near.size < FIRST && i < events.length; i++) near.add(i)
  return events.filter((_, i) => near.has(i)).slice(0, FIRST * 2)
}

function Where({ near }: { near?: Surroundings }) {
  const placed = near?.events.filter(e => e.lat !== null && e.lon !== null) ?? []
  if (!placed.length) return null
  const points = placed.map(e => ({ at: Date.parse(e.when), lat: e.lat!, lon: e.lon!, who: e.who, amount: e.amount, mark: e.decided, text: `${e.name} · ${money(e.amount, e.currency)} ${e.currency}` }))
  return <Card title={t('Where')} note={t('{n} payments at a place', { n: placed.length })} plain><Suspense fallback={<div className="wait" style={{ height: 260, margin: 12 }} />}><GeoMap points={points} height={260} /></Suspense></Card>
}

function Alerts({ data }: { data: WholeCase }) {
  return (
    <Card title={t('Alerts')} plain note={data.decisions.length === 1 ? t('one decision') : t('{n} decisions', { n: int(data.decisions.length) })}>
      <Scroll label={t('Alerts')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Instant, UTC')}</th><th>{t('Outcome')}</th><th>{t('Why')}</th></tr></thead>
        <tbody>{data.decisions.map(d => <tr key={d.id}><td className="nowrap"><Link className="link" to="/decisions/$id" params={{ id: d.id }}><When at={d.when} /></Link></td><td><Outcome name={d.outcome} /></td><td className="ink2">{d.why}</td></tr>)}</tbody></table></Scroll>
    </Card>
  )
}

function Papers({ data, open }: { data: WholeCase; open: boolean }) {
  const picked = useRef<HTMLInputElement>(null)
  const client = useQueryClient()
  const put = useMutation<unknown, Error, File>({ mutationFn: file => send(`/v1/cases/${data.case}/documents?name=${encodeURIComponent(file.name)}`, file), onSuccess: () => void client.invalidateQueries() })
  return (
    <Card title={t('Documents')} aside={open && <><input ref={picked} type="file" className="vh" tabIndex={-1} aria-label={t('Document')} accept=".pdf,.png,.jpg,.jpeg,.tif,.tiff,.txt" onChange={e => { const file = e.target.files?.[0]; if (file) put.mutate(file); e.target.value = '' }} /><button className="ctl" style={{ height: 24 }} disabled={put.isPending} onClick={() => picked.current?.click()}><FilePlus2 size={13} aria-hidden />{t('Add')}</button></>}>
      {put.error && <Refused error={put.error} />}
      {!data.documents.length ? <p className="ink3">{t('No document yet: PDF, PNG, JPEG, TIFF or text, kept encrypted.')}</p> : (
        <ul className="papers">{data.documents.map(d => <li key={d.id}><span className="strong clip">{d.name}</span><span className="cap ink3 num">{bytes(d.size)} · {d.who}</span><Id text={d.sha256} keep={8} label={t('Copy the hash of {name}', { name: d.name })} /></li>)}</ul>
      )}
    </Card>
  )
}

function Steps({ data }: { data: WholeCase }) {
  const done: Record<string, string> = { open: t('case opened'), alert: t('alert'), assign: t('assigned'), note: t('noted'), propose: t('proposed'), agree: t('agreed'), reject: t('did not agree'), close: t('closed'), escalate: t('raised'), attach: t('document added'), merge: t('joined with another case') }
  const shown = joined([...data.events].reverse())
  return (
    <Card title={t('Steps')} note={t('each is in the access log')}>
      <ol className="tl">{shown.map((e, i) => <li key={i}><span className={`mk ${e.action === 'close' || e.action === 'agree' ? 'good' : e.action === 'escalate' ? 'bad' : ''}`} aria-hidden /><div><span className="strong first">{e.times > 1 ? t('{n} × {what}', { n: e.times, what: done[e.action] ?? said(e.action) }) : done[e.action] ?? said(e.action)}</span>{typeof e.detail.outcome === 'string' && <> {said(e.detail.outcome)}</>}{e.action === 'assign' && <> {t('to {who}', { who: String(e.detail.to || t('nobody')) })}</>} <span className="ink3 cap">{e.who} · {dayOf(e.at)} {instant(e.at).slice(11, 16)}</span>{e.text && <p className="ink2 wraps">{e.text}</p>}</div></li>)}</ol>
    </Card>
  )
}

/** The same step again and again, by the same one, is one line. */
function joined(events: WholeCase['events']): (WholeCase['events'][number] & { times: number })[] {
  const found: (WholeCase['events'][number] & { times: number })[] = []
  for (const e of events) {
    const last = found.at(-1)
    if (last && e.action === 'alert' && last.action === 'alert' && last.who === e.who) last.times += 1
    else found.push({ ...e, times: 1 })
  }
  return found
}
