// An application: the pages that it declares, drawn from their blocks, and what it is made of.
import { Link, useParams } from '@tanstack/react-router'
import { useRead } from '../api/client'
import { usePage } from '../api/frames'
import type { AppInfo } from '../api/types'
import { Blocks } from '../blocks'
import { Card, Head, State } from '../design/pieces'
import { decimal, said, t } from '../i18n'

export default function AppPage() {
  const { app, page = 'overview' } = useParams({ strict: false }) as { app: string; page?: string }
  const info = useRead<AppInfo>(`apps/${encodeURIComponent(app)}`, {}, { at: 't' })
  const seen = usePage(app, page)
  return (
    <State q={info} height={560}>{data => (
      <>
        <Head title={said(data.title)} over={<><span className="badge accent">{said(data.purpose)}</span><span>{t('decides each {row}', { row: data.on })}</span></>}>{page === 'overview' ? data.decide.split('\n')[0] : seen.data ? said(seen.data.question) : ''}</Head>
        <AppTabs data={data} at={page} />
        <State q={seen} height={420}>{found => <Blocks page={found} />}</State>
        {page === 'overview' && <Made data={data} />}
      </>
    )}</State>
  )
}

/** The pages of an application; its flow is one of them where a flow decides. */
export function AppTabs({ data, at }: { data: AppInfo; at: string }) {
  if (data.pages.length < 2 && !data.flow) return null
  return (
    <nav className="tabs" aria-label={t('Pages')}>
      {data.pages.map(p => <Link key={p.path} to="/apps/$app/$page" params={{ app: data.name, page: p.path }} aria-current={p.path === at ? 'page' : undefined}>{p.path === 'overview' ? t('Overview') : said(p.path)}</Link>)}
      {data.flow && <Link to="/apps/$app/flow" params={{ app: data.name }} aria-current={at === 'flow' ? 'page' : undefined}>{t('Flow')}</Link>}
    </nav>
  )
}

function Made({ data }: { data: AppInfo }) {
  return (
    <div className="blocks" style={{ marginTop: 16 }}>
      <Card className="w6" title={t('Policy')} note={t('values that people may change')}><dl className="dl">{Object.entries(data.policy).map(([n, v]) => <div key={n} style={{ display: 'contents' }}><dt>{n}</dt><dd className="num">{typeof v === 'number' ? decimal(v, 6) : String(v)}</dd></div>)}</dl></Card>
      <Card className="w6" title={t('Features')} note={String(Object.keys(data.features).length)}><ul style={{ columns: 2, columnGap: 24 }}>{Object.entries(data.features).map(([n, what]) => <li key={n} className="clip" title={what}><Link className="link" to="/features/$name" params={{ name: `${data.name}.${n}` }}>{n}</Link></li>)}</ul></Card>
    </div>
  )
}
