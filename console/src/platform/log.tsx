// The decision log: how long it is, its signed head, and a reading of every byte on request.
import { useMutation } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { BadgeCheck, ShieldCheck } from 'lucide-react'
import { useEffect } from 'react'
import { call, useRead } from '../api/client'
import type { LogHead } from '../api/types'
import { Card, Head, Id, outcomeFill, outcomeWord, Refused, State, useShortcuts } from '../design/pieces'
import { Share } from '../design/pictures'
import { int, t } from '../i18n'

export default function Log() {
  const seen = useRead<LogHead>('log', {}, { at: 't' }), note = useRead<{ note: string; entries: number }>('log/checkpoint')
  const { verify } = useSearch({ strict: false }) as { verify?: string }
  const check = useMutation<{ entries: number; root: string; heads: number; verified: boolean }, Error>({ mutationFn: () => call('/v1/log/verify', { method: 'POST' }) })
  const read = check.mutate
  useShortcuts({ v: () => read() })
  useEffect(() => { if (verify) read() }, [verify, read])
  return (
    <>
      <Head title={t('Decision log')} aside={<button className="btn primary" disabled={check.isPending} onClick={() => read()}><ShieldCheck size={14} aria-hidden />{check.isPending ? t('Reading every byte…') : t('Verify')} <kbd aria-hidden>V</kbd></button>}>{t('Every decision is sealed in a Merkle log; whoever keeps a checkpoint can prove that nothing was changed.')}</Head>
      {check.error && <div style={{ marginBottom: 16 }}><Refused error={check.error} /></div>}
      {check.data && <p className="badge good" role="status" style={{ marginBottom: 16, whiteSpace: 'normal', padding: '6px 10px' }}><BadgeCheck size={14} aria-hidden />{t('{n} entries read and {h} signed heads checked: the log is whole.', { n: int(check.data.entries), h: int(check.data.heads) })}</p>}
      <div className="grid2">
        <div className="stack">
          <Card title={t('Head')}><State q={seen} height={88}>{log => <dl className="dl"><dt>{t('Entries')}</dt><dd className="num strong">{int(log.entries)}</dd><dt>{t('Root')}</dt><dd><Id text={log.root} keep={24} label={t('Copy the root hash')} /></dd></dl>}</State></Card>
          <Card title={t('Checkpoint')} note={t('keep it where nobody can change both')} plain><State q={note} height={120}>{c => <pre className="code" tabIndex={0}>{c.note}</pre>}</State><p className="cap ink3" style={{ padding: '0 16px 14px' }}>{t('Later, compare with it:')} <code className="mono">heptad log verify --against FILE</code></p></Card>
        </div>
        <Card title={t('Decisions by outcome')}><State q={seen} height={120}>{log => { const most = Math.max(1, ...Object.values(log.counts)); return <ul style={{ display: 'grid', gap: 8 }}>{Object.entries(log.counts).sort((a, b) => b[1] - a[1]).map(([name, n]) => <li key={name} className="row"><span style={{ width: 96 }}>{outcomeWord(name)}</span><Share value={n / most} tone={outcomeFill(name)} /><span className="num right grow">{int(n)}</span></li>)}</ul> }}</State></Card>
      </div>
    </>
  )
}
