// The flow of an application: as a picture and as YAML, tried on history, compared, approved by another, published.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { Check, FlaskConical, Send } from 'lucide-react'
import { lazy, Suspense, useDeferredValue, useEffect, useMemo, useState } from 'react'
import { call, useCircumstances, useRead } from '../api/client'
import type { AppInfo, FlowInfo, FlowLine, FlowStage, Tried } from '../api/types'
import { Card, Empty, Head, Id, Outcome, outcomeWord, Refused, Scroll, State, useShortcuts, When } from '../design/pieces'
import { decimal, int, money, said, t } from '../i18n'
import { AppTabs } from './app'
import { differences } from './differences'
import './flow.css'

const Ask = lazy(() => import('./ask'))
type Doing = '' | 'approve' | 'publish'

export default function FlowPage() {
  const { app } = useParams({ strict: false }) as { app: string }
  const { number = '0' } = useSearch({ strict: false }) as { number?: string }
  const info = useRead<AppInfo>(`apps/${encodeURIComponent(app)}`)
  const seen = useRead<FlowInfo>(`apps/${encodeURIComponent(app)}/flow`, { number: number === '0' ? undefined : number })
  const listed = useRead<{ flows: FlowLine[] }>(`apps/${encodeURIComponent(app)}/flows`)
  return (
    <State q={info} height={560}>{about => !about.flow ? <><Head title={said(about.title)} /><AppTabs data={about} at="flow" /><Card title={t('Flow')}><Empty>{t('This application decides by code, not by a flow that people change.')}</Empty></Card></> : (
      <State q={seen} height={560}>{flow => <Editor key={flow.sha256} about={about} flow={flow} flows={listed.data?.flows ?? []} number={Number(number)} />}</State>
    )}</State>
  )
}

function Editor({ about, flow, flows, number }: { about: AppInfo; flow: FlowInfo; flows: FlowLine[]; number: number }) {
  const [text, setText] = useState(flow.text), [tab, setTab] = useState<'picture' | 'yaml' | 'diff'>('picture')
  const [doing, setDoing] = useState<Doing>('')
  const { purpose } = useCircumstances()
  const client = useQueryClient()
  const path = `/v1/apps/${about.name}`, asked = useDeferredValue(text), changed = text !== flow.text
  const [settled, setSettled] = useState(asked)
  useEffect(() => { const timer = setTimeout(() => setSettled(asked), 350); return () => clearTimeout(timer) }, [asked])
  const checked = useQuery<FlowInfo, Error>({ queryKey: ['flow', about.name, settled], enabled: settled !== flow.text, queryFn: ({ signal }) => call(`${path}/flow/check`, { method: 'POST', body: { text: settled }, signal }), placeholderData: before => before })
  const drawn = changed ? checked.data ?? flow : flow, wrong = changed ? checked.error : null
  const tried = useMutation<Tried, Error>({ mutationFn: () => call(`${path}/flow/backtest`, { method: 'POST', purpose, body: { text } }) })
  const propose = useMutation<FlowLine, Error>({ mutationFn: () => call(`${path}/flows`, { method: 'POST', body: { text } }), onSuccess: () => void client.invalidateQueries() })
  const line = flows.find(f => f.number === number)
  const decide = useMutation<FlowLine, Error, string>({
    mutationFn: note => doing === 'approve' ? call(`${path}/flows/${number}/approve`, { method: 'POST', body: { sha256: flow.sha256, note } }) : call(`${path}/flow`, { method: 'POST', body: { text: flow.text, note } }),
    onSuccess: () => { setDoing(''); void client.invalidateQueries() },
  })
  const set = (name: string, value: string) => setText(withPolicy(text, name, value))
  useShortcuts({ b: () => tried.mutate(), ...(changed && !wrong ? { p: () => propose.mutate() } : {}) })
  return (
    <>
      <Head title={t('Flow: {name}', { name: said(about.title) })} over={<><span className={`badge ${number ? 'warn' : 'good'}`}>{number ? t('proposal {n}', { n: number }) : t('in force')}</span><span>{t('version {n}', { n: drawn.version })}</span><Id text={flow.sha256} keep={10} label={t('Copy the hash of the flow')} /></>}
        aside={<>
          <button className="btn" disabled={tried.isPending || Boolean(wrong)} onClick={() => tried.mutate()}><FlaskConical size={14} aria-hidden />{tried.isPending ? t('Deciding history…') : t('Back-test')} <kbd aria-hidden>B</kbd></button>
          {changed ? <button className="btn primary" disabled={Boolean(wrong) || propose.isPending} onClick={() => propose.mutate()}><Send size={14} aria-hidden />{t('Propose')} <kbd aria-hidden>P</kbd></button>
            : line && !line.approved_by ? <button className="btn primary" onClick={() => setDoing('approve')}><Check size={14} aria-hidden />{t('Approve')}</button>
            : line && line.stage !== 'champion' ? <button className="btn primary" onClick={() => setDoing('publish')}><Send size={14} aria-hidden />{t('Publish')}</button> : null}
        </>}>{t('What decides, in which order, and what would another version change?')}</Head>
      <AppTabs data={about} at="flow" />
      {propose.data && <div className="then" role="status">{t('Proposal {n} is kept. Somebody else must approve these bytes.', { n: propose.data.number })} <Link className="link strong" to="." search={(before: Search) => ({ ...before, number: String(propose.data.number) })}>{t('Open')}</Link></div>}
      {(propose.error ?? tried.error) && <div style={{ marginBottom: 16 }}><Refused error={propose.error ?? tried.error} /></div>}
      <div className="grid2">
        <Card title={t('Flow')} plain aside={<div className="seg" role="group" aria-label={t('Show as')}>{(['picture', 'yaml', 'diff'] as const).map(name => <button key={name} aria-pressed={tab === name} onClick={() => setTab(name)}>{name === 'picture' ? t('Picture') : name === 'yaml' ? 'YAML' : t('Changes')}</button>)}</div>}>
          {wrong && <div style={{ padding: '10px 16px 0' }}><Refused error={wrong} /></div>}
          {tab === 'picture' ? <Picture stages={drawn.stages} tried={tried.data} /> : tab === 'yaml' ? <textarea className="yaml" aria-label={t('The flow as YAML')} spellCheck={false} value={text} onChange={e => setText(e.target.value)} rows={Math.min(60, text.split('\n').length + 1)} /> : <Changed before={flow.text} after={text} />}
        </Card>
        <div className="stack">
          {tried.data && <Swaps tried={tried.data} />}
          <Card title={t('Policy')} note={t('change a value and see what it would do')}>
            <div className="policy">{Object.entries(drawn.policy).map(([name, value]) => <label key={name}><span className="clip" title={name}>{name}</span><input className="field num" inputMode="decimal" defaultValue={String(value)} onChange={e => { if (/^-?\d+(\.\d+)?$/.test(e.target.value.trim())) set(name, e.target.value.trim()) }} /></label>)}</div>
            {changed && <button className="link" style={{ marginTop: 10 }} onClick={() => { setText(flow.text); setTab('picture') }}>{t('Discard the changes')}</button>}
          </Card>
          <Card title={t('Proposals')} plain>{!flows.length ? <Empty command={`heptad flow propose ${about.name}`}>{t('Nothing has been proposed: the flow of the package decides.')}</Empty> : (
            <Scroll label={t('Proposals')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Number')}</th><th>{t('Status')}</th><th>{t('Proposed by')}</th><th>{t('Instant, UTC')}</th></tr></thead>
              <tbody>{flows.map(f => <tr key={f.number} data-at={f.number === number}><td><Link className="link strong" to="." search={(before: Search) => ({ ...before, number: String(f.number) })}>{f.number}</Link></td><td><span className={`badge ${f.stage === 'champion' ? 'good' : f.stage === 'candidate' ? 'warn' : ''}`}>{said(f.stage)}</span></td><td>{f.proposed_by}</td><td className="ink2"><When at={f.proposed} /></td></tr>)}</tbody></table></Scroll>)}
            {number > 0 && <p style={{ padding: '0 16px 12px' }}><Link className="link" to="." search={(before: Search) => ({ ...before, number: undefined })}>{t('Back to the flow in force')}</Link></p>}
          </Card>
        </div>
      </div>
      <Suspense fallback={null}>{doing && <Ask title={doing === 'approve' ? t('Approve proposal {n}', { n: number }) : t('Publish proposal {n}', { n: number })} says={doing === 'approve' ? t('You approve the bytes with the hash {h}; whoever proposed them cannot.', { h: flow.sha256.slice(0, 12) }) : t('From now on it decides every {row}.', { row: about.on })} go={doing === 'approve' ? t('Approve') : t('Publish')} busy={decide.isPending} error={decide.error} close={() => { setDoing(''); decide.reset() }} done={note => decide.mutate(note)} />}</Suspense>
    </>
  )
}

/** The stages from top to bottom, each with its rules and, once tried, how many rows met them. */
function Picture({ stages, tried }: { stages: FlowStage[]; tried?: Tried }) {
  return (
    <ol className="stages">{stages.map((s, i) => {
      const entered = tried?.then.entered[s.name], decided = tried?.then.decided[s.name]
      return (
        <li key={s.name + i}>
          <div className="stage-h row"><span className="l-n num" aria-hidden>{i + 1}</span><b className="strong">{said(s.name)}</b><span className="ink3 cap grow clip">{said(s.says)}</span>{entered !== undefined && <span className="num cap ink2">{t('{n} enter', { n: int(entered) })}{decided ? ` · ${t('{n} decided here', { n: int(decided) })}` : ''}</span>}</div>
          {s.features.length > 0 && <p className="chipline">{s.features.map(f => <span key={f} className="badge mono">{f}</span>)}</p>}
          {s.rules.length > 0 && <ul className="rules">{s.rules.map(r => { const was = tried?.now.reasons[r.code], is = tried?.then.reasons[r.code]; return (
            <li key={r.code}><span className="badge mono">{r.code}</span><span className="mono ink2 wraps">{r.when === 'true' ? t('always') : r.when}</span>{r.outcome ? <Outcome name={r.outcome} /> : <span className="badge num">{r.points > 0 ? '+' : ''}{r.points}</span>}{is !== undefined && <span className="num right"><b className={was !== undefined && was !== is ? 'warn' : ''}>{int(is)}</b>{was !== undefined && was !== is && <span className="cap ink3"> {t('was {n}', { n: int(was) })}</span>}</span>}</li>) })}</ul>}
          {Object.keys(s.amounts).length > 0 && <dl className="dl" style={{ padding: '6px 0 0 32px' }}>{Object.entries(s.amounts).map(([n, v]) => <div key={n} style={{ display: 'contents' }}><dt>{n}</dt><dd className="mono">{v}</dd></div>)}</dl>}
        </li>
      )
    })}</ol>
  )
}

function Swaps({ tried }: { tried: Tried }) {
  const swaps = tried.swaps.filter(s => s.was !== s.would_be)
  return (
    <Card title={t('What would change')} plain note={t('{n} of {total} rows of history', { n: int(tried.changed), total: int(tried.rows) })}>
      {!swaps.length ? <p className="ink2" style={{ padding: '8px 16px 14px' }}>{t('Nothing: every row would be decided as it is.')}</p> : (
        <Scroll label={t('What would change')}><table style={{ marginTop: 4 }}><thead><tr><th>{t('Was')}</th><th>{t('Would be')}</th><th className="r">{t('Rows')}</th><th className="r">{t('Amount')}</th></tr></thead>
          <tbody>{swaps.map(s => <tr key={s.was + s.would_be}><td><Outcome name={s.was} /></td><td><Outcome name={s.would_be} /></td><td className="r strong">{int(s.rows)}</td><td className="r">{money(s.amount, 'EUR')}</td></tr>)}</tbody></table></Scroll>
      )}
      <dl className="dl sub" style={{ margin: '0 16px', paddingBottom: 12 }}>{Object.keys({ ...tried.now.outcomes, ...tried.then.outcomes }).map(o => { const a = tried.now.outcomes[o] ?? 0, b = tried.then.outcomes[o] ?? 0; return <div key={o} style={{ display: 'contents' }}><dt>{outcomeWord(o)}</dt><dd className="num">{int(a)} → <b>{int(b)}</b>{a !== b && <span className="cap ink3"> {b > a ? '+' : '−'}{a ? `${decimal((Math.abs(b - a) / a) * 100, 2)} %` : int(Math.abs(b - a))}</span>}</dd></div> })}</dl>
    </Card>
  )
}

function Changed({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => differences(before, after), [before, after])
  if (!lines.length) return <p className="ink2" style={{ padding: '8px 16px 14px' }}>{t('Nothing has been changed yet.')}</p>
  return <pre className="code diff" tabIndex={0} aria-label={t('Changes')}>{lines.map((l, i) => <div key={i} className={l.mark === '+' ? 'add' : l.mark === '-' ? 'del' : ''}><span aria-hidden>{l.mark}</span>{l.text || ' '}</div>)}</pre>
}

/** Put another value of the policy into the text; everything else stays as it was written. */
export function withPolicy(text: string, name: string, value: string): string {
  const at = text.search(/^policy:/m)
  if (at < 0) return text
  const rest = text.slice(at), first = rest.indexOf('\n') + 1, end = rest.slice(first).search(/^\S/m)
  const block = end < 0 ? rest : rest.slice(0, first + end)
  const line = new RegExp(`^(\\s+${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}:\\s*)\\S+`, 'm')
  return text.slice(0, at) + block.replace(line, `$1${value}`) + rest.slice(block.length)
}
