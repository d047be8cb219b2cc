// What stands around every page: sidebar, top bar with instant and purpose, keyboard, tab bar on phones.
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { BadgeCheck, BookOpen, Boxes, ChevronRight, Clock3, Eye, FlaskConical, House, Inbox as InboxIcon, Languages, LayoutGrid, ListChecks, Mail, Moon, Play, Scale, Search as Glass, ShieldCheck, Sigma, Sun, Table2, UsersRound, Waves, Waypoints, type LucideIcon } from 'lucide-react'
import { lazy, Suspense, useEffect, useRef, useState } from 'react'
import { call, useCircumstances, useRead } from '../api/client'
import { useLive, type Line } from '../api/live'
import type { AppLine, Session } from '../api/types'
import { Logo } from '../design/pieces'
import { instant, int, keep, language, said, t, type Message } from '../i18n'

const Palette = lazy(() => import('./palette'))
const Controls = lazy(() => import('./controls'))
const Keys = lazy(() => import('./keys'))

type Place = { name: Message; to: string; icon: LucideIcon; key: string }
export const START: Place[] = [{ name: 'Home', to: '/', icon: House, key: 'h' }, { name: 'Inbox', to: '/inbox', icon: InboxIcon, key: 'i' }, { name: 'Decisions', to: '/decisions', icon: Scale, key: 'd' }, { name: 'Messages', to: '/messages', icon: Mail, key: 'o' }]
export const PLATFORM: Place[] = [
  { name: 'Tables', to: '/tables', icon: Table2, key: 't' }, { name: 'Features', to: '/features', icon: Sigma, key: 'f' },
  { name: 'Models', to: '/models', icon: Boxes, key: 'm' }, { name: 'Lineage', to: '/lineage', icon: Waypoints, key: 'l' }, { name: 'Runs', to: '/runs', icon: Play, key: 'r' },
  { name: 'Streams', to: '/streams', icon: Waves, key: 'e' },
  { name: 'Lists', to: '/lists', icon: ListChecks, key: 's' }, { name: 'Segments', to: '/segments', icon: UsersRound, key: 'n' }, { name: 'Trials', to: '/trials', icon: FlaskConical, key: 'y' },
]
export const GOVERN: Place[] = [{ name: 'Accesses', to: '/access', icon: Eye, key: 'a' }, { name: 'Decision log', to: '/log', icon: ShieldCheck, key: 'p' }]
const ALL = [...START, ...PLATFORM, ...GOVERN]

export type Open = '' | 'palette' | 'as_of' | 'purpose' | 'keys'

export function Shell() {
  const [open, setOpen] = useState<Open>('')
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? 'light')
  const { as_of, purpose } = useCircumstances()
  const apps = useRead<{ apps: AppLine[] }>('apps')
  const session = useRead<Session>('session')
  const instantButton = useRef<HTMLButtonElement>(null), purposeButton = useRef<HTMLButtonElement>(null)
  const past = usePast()
  const line = useLive()
  useKeys(setOpen)
  useEffect(() => { document.documentElement.dataset.theme = theme; keep('theme', theme) }, [theme])
  const speak = () => { keep('lang', language() === 'zh' ? 'en' : 'zh'); location.reload() }
  return (
    <div className="shell">
      <a className="skip" href="#main">{t('Skip to content')}</a>
      <aside className="side" aria-label={t('Navigation')}>
        <Link to="/" className="brand"><Logo />Heptad</Link>
        <Places label={t('Start')} places={START} counts={{ '/inbox': line.pulse?.cases ?? 0 }} late={Boolean(line.pulse?.late)} />
        <nav className="nav" aria-label={t('Applications')}>
          <h2>{t('Applications')}</h2>
          {apps.data?.apps.map(a => <Link key={a.name} to="/apps/$app" params={{ app: a.name }}><LayoutGrid size={15} strokeWidth={1.8} aria-hidden /><span className="clip">{said(a.title)}</span></Link>)}
        </nav>
        <Places label={t('Platform')} places={PLATFORM} head />
        <Places label={t('Govern')} places={GOVERN} head />
        <div className="foot"><a className="row" style={{ gap: 6 }} href="/docs"><BookOpen size={13} aria-hidden />{t('Manual of the API')}</a><div className="clip" style={{ marginTop: 4 }}>{session.data ? `${session.data.project} · ${session.data.version} · ${session.data.role}` : ' '}</div>{session.data?.csrf && <button className="link" onClick={() => void call('/v1/signout', { method: 'POST' }).finally(() => location.assign('/'))}>{t('Sign out')}</button>}<Live line={line} /></div>
      </aside>
      <div style={{ minWidth: 0 }}>
        <header className="top">
          <Trail apps={apps.data?.apps ?? []} />
          <button className="ctl" onClick={() => setOpen('palette')} aria-keyshortcuts="Meta+K Control+K"><Glass size={14} aria-hidden /><span className="vh-s">{t('Search or run a command')}</span><kbd className="hide-s" aria-hidden>⌘K</kbd></button>
          <button ref={instantButton} className={`ctl ${as_of ? 'on' : ''}`} onClick={() => setOpen('as_of')} aria-haspopup="dialog"><Clock3 size={14} aria-hidden /><span className="vh-s">{t('As of')}</span> <b className="vh-s">{as_of ? instant(as_of).slice(0, 16) : t('now')}</b></button>
          <button ref={purposeButton} className={`ctl ${purpose ? 'on' : ''}`} onClick={() => setOpen('purpose')} aria-haspopup="dialog"><BadgeCheck size={14} aria-hidden /><span className="vh-s">{t('Purpose')}</span> <b className="vh-s">{purpose ? said(purpose) : t('none')}</b></button>
          <button className="ctl icon hide-s" aria-label={t('Language')} onClick={speak}><Languages size={15} aria-hidden /></button>
          <button className="ctl icon" aria-label={theme === 'dark' ? t('Light theme') : t('Dark theme')} onClick={() => setTheme(theme === 'dark' ? 'light' : 'dark')}>{theme === 'dark' ? <Sun size={15} aria-hidden /> : <Moon size={15} aria-hidden />}</button>
        </header>
        <main id="main" tabIndex={-1}>
          {as_of && <div className={`then ${past ? '' : 'now'}`} role="status"><Clock3 size={15} aria-hidden />{past ? t('Read as of {at} UTC; what came later is left out.', { at: instant(as_of) }) : t('This page shows the present: it cannot be read as of an instant.')} <Link className="link strong" to="." search={(before: Search) => ({ ...before, as_of: undefined })}>{t('Back to now')}</Link></div>}
          <Outlet />
        </main>
      </div>
      <nav className="tabbar" aria-label={t('Main')}>
        {[ALL[0], ALL[1], ALL[2], ALL[3]].map(p => <Link key={p.to} to={p.to} activeOptions={{ exact: p.to === '/' }}><p.icon size={18} strokeWidth={1.8} aria-hidden />{t(p.name)}</Link>)}
        <button onClick={() => setOpen('palette')}><LayoutGrid size={18} strokeWidth={1.8} aria-hidden />{t('More')}</button>
      </nav>
      <Suspense fallback={null}>
        {open === 'palette' && <Palette close={() => setOpen('')} apps={apps.data?.apps ?? []} show={setOpen} />}
        {(open === 'as_of' || open === 'purpose') && <Controls what={open} close={() => setOpen('')} anchor={open === 'as_of' ? instantButton : purposeButton} purposes={session.data?.purposes ?? []} />}
        {open === 'keys' && <Keys close={() => setOpen('')} />}
      </Suspense>
    </div>
  )
}

function Places({ label, places, head, counts = {}, late }: { label: string; places: Place[]; head?: boolean; counts?: Record<string, number>; late?: boolean }) {
  return (
    <nav className="nav" aria-label={label}>
      {head && <h2>{label}</h2>}
      {places.map(p => <Link key={p.to} to={p.to} activeOptions={{ exact: p.to === '/', includeSearch: false }}><p.icon size={15} strokeWidth={1.8} aria-hidden />{t(p.name)}{counts[p.to] > 0 && <span className={`n num ${late ? 'bad strong' : ''}`}>{int(counts[p.to])}</span>}</Link>)}
    </nav>
  )
}

/** Whether what is shown follows the server; silence is said. */
function Live({ line }: { line: Line }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => { if (line.state !== 'lost') return; const timer = setInterval(() => setNow(Date.now()), 1000); return () => clearInterval(timer) }, [line.state])
  if (line.state !== 'lost') return null
  return <div className="row" role="status" style={{ gap: 6, marginTop: 4 }}><i className="dot off" />{t('reconnecting, last {n} s ago', { n: Math.max(0, Math.round((now - line.since) / 1000)) })}</div>
}

/** Whether this page can be read as of an instant; one that cannot says so instead of passing the present off as the past. */
function usePast(): boolean {
  const { pathname, search } = useRouterState({ select: s => s.location })
  const tab = (search as Search).tab ?? 'rows'
  if (pathname.startsWith('/tables/')) return ['rows', 'quality', 'lineage', 'versions'].includes(tab)
  if (/^\/apps\/[^/]+\/flow$/.test(pathname)) return false
  return pathname === '/' || /^\/(decisions|inbox|cases|customers|apps|access|log|segments|features\/|models$|lineage|runs)/.test(pathname)
}

/** Where this page lies: its section, and what of it is open. */
function Trail({ apps }: { apps: AppLine[] }) {
  const path = useRouterState({ select: s => s.location.pathname })
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent)
  const section = ALL.find(p => p.to === `/${({ cases: 'inbox', customers: 'decisions' } as Record<string, string>)[parts[0]] ?? parts[0] ?? ''}`)
  const app = parts[0] === 'apps' ? apps.find(a => a.name === parts[1]) : undefined
  const names = app ? [said(app.title), ...parts.slice(2)] : [section ? t(section.name) : parts[0] ?? '', ...parts.slice(1)]
  const last = names.length - 1
  useEffect(() => { document.title = `${names[last]} · Heptad` })
  return (
    <div className="crumb grow">
      {names.map((name, i) => (
        <span key={i} className="row clip" style={{ gap: 6 }}>
          {i > 0 && <ChevronRight size={13} aria-hidden className="hide-s" style={{ flex: 'none' }} />}
          {i === last ? <b className="clip">{name}</b> : <Link className="hide-s" to={app ? '/apps/$app' : section?.to ?? `/${parts[0]}`} params={{ app: parts[1] }}>{name}</Link>}
        </span>
      ))}
    </div>
  )
}

/** Go to what a list is filtered by, where this page has such. */
function focusFilter(): boolean {
  const box = document.querySelector<HTMLElement>('main .filters input')
  box?.focus()
  return Boolean(box)
}

/** Keys that work everywhere but in fields: ⌘K and / search, g and a letter go somewhere, ? lists them. */
function useKeys(show: (open: Open) => void) {
  const go = useNavigate()
  useEffect(() => {
    let pressed = 0
    const on = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === 'k') { e.preventDefault(); show('palette'); return }
      if (e.metaKey || e.ctrlKey || e.altKey || (e.target as HTMLElement).closest('input,textarea,select,[role=dialog]')) return
      if (e.key === '/') { e.preventDefault(); show('palette') }
      else if (e.key === '?') show('keys')
      else if (e.key === 'f' && !pressed && focusFilter()) { e.preventDefault(); e.stopImmediatePropagation() }
      else if (e.key === 'g') { pressed = e.timeStamp; return }
      else if (pressed && e.timeStamp - pressed < 1200) { const place = ALL.find(p => p.key === e.key); if (place) { e.stopImmediatePropagation(); void go({ to: place.to }) } }
      pressed = 0
    }
    addEventListener('keydown', on, true)
    return () => removeEventListener('keydown', on, true)
  }, [go, show])
}
