// The small parts that every page is put together from.
import { Link } from '@tanstack/react-router'
import { Check, CircleAlert, CircleHelp, Copy, Pause, ShieldQuestion, SkipForward, Sparkles, X } from 'lucide-react'
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from 'react'
import { Refusal } from '../api/client'
import type { Outcome as OutcomeName, Problem } from '../api/types'
import { instant, said, t } from '../i18n'

const SignIn = lazy(() => import('./signin'))

export function Logo({ size = 22 }: { size?: number }) {
  const at = Array.from({ length: 7 }, (_, i) => {
    const angle = -Math.PI / 2 + (i * 2 * Math.PI) / 7
    return [12 + 9.4 * Math.cos(angle), 12.4 + 9.4 * Math.sin(angle)] as const
  })
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden>
      <polygon points={at.map(p => p.join(',')).join(' ')} fill="none" stroke="var(--accent)" strokeWidth="1.7" strokeLinejoin="round" />
      {at.map((p, i) => <circle key={i} cx={p[0]} cy={p[1]} r={i ? 1.5 : 2.6} fill="var(--accent)" />)}
    </svg>
  )
}

const looks = {
  approve: ['good', 'Approved', Check], offer: ['accent', 'Offered', Sparkles], decline: ['bad', 'Declined', X],
  hold: ['warn', 'Held', Pause], challenge: ['warn', 'Challenged', ShieldQuestion], refer: ['warn', 'Referred', CircleHelp], skip: ['', 'Skipped', SkipForward],
} as const
export const outcomeWord = (name: string) => (name in looks ? t(looks[name as OutcomeName][1]) : said(name))
export const outcomeTone = (name: string) => (name in looks ? looks[name as OutcomeName][0] : '')
/** The fill in which an outcome is drawn; its word always stands beside. */
export const outcomeFill = (name: string) => ({ approve: 'var(--good-fill)', offer: 'var(--c1)', decline: 'var(--bad-fill)', hold: 'var(--warn-fill)', challenge: 'var(--c4)', refer: 'var(--warn-fill)', skip: 'var(--c7)' })[name] ?? 'var(--c1)'

/** An outcome: icon and word, never colour alone. */
export function Outcome({ name }: { name: OutcomeName }) {
  const [tone, , Icon] = looks[name] ?? looks.skip
  return <span className={`badge ${tone}`}><Icon size={13} strokeWidth={2.4} aria-hidden />{outcomeWord(name)}</span>
}

export function Card({ title, note, aside, children, plain, className = '' }: { title: string; note?: ReactNode; aside?: ReactNode; children: ReactNode; plain?: boolean; className?: string }) {
  return (
    <section className={`card ${className}`} aria-label={title}>
      <header><h2>{title}</h2>{note && <span className="cap">{note}</span>}{aside && <div className="aside">{aside}</div>}</header>
      {plain ? children : <div className="body">{children}</div>}
    </section>
  )
}

/** A table that scrolls inside its card, reachable by keyboard. */
export function Scroll({ label, children }: { label: string; children: ReactNode }) {
  return <div className="scroll" tabIndex={0} role="group" aria-label={label}>{children}</div>
}

export function Head({ title, children, aside, over }: { title: ReactNode; children?: ReactNode; aside?: ReactNode; over?: ReactNode }) {
  return <div className="head"><div>{over && <div className="row wrap cap ink3" style={{ marginBottom: 6 }}>{over}</div>}<h1>{title}</h1>{children && <div className="ink2" style={{ marginTop: 2 }}>{children}</div>}</div>{aside && <div className="row wrap">{aside}</div>}</div>
}

/** What a page shows while it is read, when it cannot be read, and when it is read. */
export function State<T>({ q, height = 320, children }: { q: { data?: T; error: unknown; isPending: boolean }; height?: number; children: (data: T) => ReactNode }) {
  if (q.data !== undefined && !q.error) return <>{children(q.data)}</>
  if (q.error) return <Refused error={q.error} />
  return <div className="wait" style={{ height }} aria-busy="true"><span className="vh">{t('Loading')}</span></div>
}

/** An error in three lines: what happened, the value met, what to do. */
export function Refused({ error }: { error: unknown }) {
  const problem: Problem = error instanceof Refusal ? error.problem : { title: String(error), status: 0, code: 'unknown' }
  return (
    <div className="card refused" role="alert">
      <div className="row strong bad" style={{ alignItems: 'flex-start' }}><CircleAlert size={16} aria-hidden style={{ flex: 'none', marginTop: 2 }} /><span className="wraps">{problem.title}</span></div>
      {problem.got && <p className="mono">{t('got')}: {problem.got}</p>}
      {problem.do && <p className="mono">{t('do')}: {problem.do}</p>}
      {problem.status === 401 && <Suspense fallback={null}><SignIn /></Suspense>}
    </div>
  )
}

export function Empty({ children, command }: { children: ReactNode; command?: string }) {
  return <div className="empty"><p>{children}</p>{command && <code className="mono">{command}</code>}</div>
}

/** What stands in place of decisions and what follows them, for whom their purposes do not open any. */
export function NoPurpose() {
  return <section className="card" aria-label={t('Purpose')}><Empty command="heptad keys issue">{t('You may read the decisions of no application: ask for a key with its purpose, or with audit.')}</Empty></section>
}

export function Missing() {
  return <Empty command="heptad serve"><b>{t('There is no such page.')}</b> <Link className="link" to="/">{t('Home')}</Link></Empty>
}

export function When({ at }: { at: string }) {
  return <time className="num nowrap" dateTime={at} title={new Date(at).toLocaleString()}>{instant(at)}</time>
}

/** A long id, shortened, that can be copied whole. */
export function Id({ text, keep = 12, label }: { text: string; keep?: number; label: string }) {
  const [done, setDone] = useState(false)
  useEffect(() => { if (!done) return; const timer = setTimeout(() => setDone(false), 1500); return () => clearTimeout(timer) }, [done])
  return (
    <span className="row end" style={{ gap: 6 }}>
      <span className="mono" title={text}>{text.length > keep + 6 ? `${text.slice(0, keep)}…${text.slice(-4)}` : text}</span>
      <button className="ink3" aria-label={label} onClick={() => { void navigator.clipboard?.writeText(text); setDone(true) }}>{done ? <Check size={13} aria-hidden /> : <Copy size={13} aria-hidden />}</button>
    </span>
  )
}

export function Tabs({ label, tabs, at, to }: { label: string; tabs: { id: string; name: string; n?: string | number }[]; at: string; to: (id: string) => Record<string, string | undefined> }) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(tab => <Link key={tab.id} to="." search={(before: Search) => ({ ...before, ...to(tab.id) })} replace resetScroll={false} activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }} aria-current={tab.id === at ? 'page' : undefined}>{tab.name}{tab.n !== undefined && <span className="n num">{tab.n}</span>}</Link>)}
    </nav>
  )
}

/** A picture that is a table as well, and a sentence that says what it shows. */
export function Twin({ sentence, heads, rows, children }: { sentence: string; heads: string[]; rows: ReactNode[][]; children: ReactNode }) {
  const [table, setTable] = useState(false)
  return (
    <figure>
      {table ? <Scroll label={sentence}><table><thead><tr>{heads.map(h => <th key={h} className="r">{h}</th>)}</tr></thead><tbody>{rows.map((r, i) => <tr key={i}>{r.map((v, k) => <td key={k} className="r">{v}</td>)}</tr>)}</tbody></table></Scroll> : children}
      <figcaption className="row cap ink3" style={{ marginTop: 6 }}><span className="grow">{sentence}</span><button className="ctl" style={{ height: 24 }} aria-pressed={table} onClick={() => setTable(!table)}>{table ? t('As chart') : t('As table')}</button></figcaption>
    </figure>
  )
}

/** Move through the rows of a table with j and k, open one with Enter. */
export function useRows<T>(rows: T[], open: (row: T) => void) {
  const [at, setAt] = useState(-1)
  const now = useRef({ at, rows, open })
  now.current = { at, rows, open }
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target as HTMLElement).closest('input,textarea,select,[role=dialog]')) return
      const { at, rows, open } = now.current
      if (e.key === 'j') setAt(Math.min(rows.length - 1, at + 1))
      else if (e.key === 'k') setAt(Math.max(0, at - 1))
      else if (e.key === 'Enter' && rows[at] !== undefined && !(e.target as HTMLElement).closest('a,button')) open(rows[at])
      else return
      requestAnimationFrame(() => document.querySelector('tr[data-at=true]')?.scrollIntoView({ block: 'nearest' }))
    }
    addEventListener('keydown', on)
    return () => removeEventListener('keydown', on)
  }, [])
  return at
}

/** Single keys that do something on this page; never while somebody writes or a dialog is open. */
export function useShortcuts(keys: Record<string, () => void>) {
  const now = useRef(keys)
  now.current = keys
  useEffect(() => {
    const on = (e: KeyboardEvent) => {
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target as HTMLElement).closest('input,textarea,select,[role=dialog]')) return
      const run = now.current[e.key]
      if (run) { e.preventDefault(); run() }
    }
    addEventListener('keydown', on)
    return () => removeEventListener('keydown', on)
  }, [])
}
