// The ways in for whoever is not known yet: the provider, a password of this project, or a key.
import { useState } from 'react'
import { call, key, Refusal, useRead } from '../api/client'
import { t } from '../i18n'

export default function SignIn() {
  const ways = useRead<{ provider: string | null; local: boolean }>('signin')
  return (
    <>
      {ways.data?.provider ? <p style={{ marginTop: 10 }}><a className="btn primary" onClick={() => key.set('')} href={`/v1/signin/go?to=${encodeURIComponent(location.pathname + location.search)}`}>{t('Sign in with {provider}', { provider: ways.data.provider })}</a></p> : ways.data?.local && <Password />}
      <Key />
    </>
  )
}

/** A key goes before whoever is signed in, so one that does not hold is forgotten with any other way in. */
function Key() {
  const [text, setText] = useState('')
  return (
    <form className="row wrap" style={{ marginTop: 10 }} onSubmit={e => { e.preventDefault(); key.set(text.trim()); location.reload() }}>
      <label className="grow"><span className="vh">{t('Key')}</span><input className="field" type="password" autoComplete="off" placeholder="hep_…" value={text} onChange={e => setText(e.target.value)} /></label>
      <button className="btn primary" type="submit">{t('Use this key')}</button>
    </form>
  )
}

/** Where there is no provider, people have a password of this project. */
function Password() {
  const [who, setWho] = useState({ name: '', password: '' })
  const [wrong, setWrong] = useState('')
  const enter = () => call('/v1/signin', { method: 'POST', body: who }).then(() => { key.set(''); location.reload() }, (e: unknown) => setWrong(e instanceof Refusal ? `${e.problem.title} ${e.problem.do ?? ''}` : String(e)))
  return (
    <form className="row wrap" style={{ marginTop: 10 }} onSubmit={e => { e.preventDefault(); void enter() }}>
      <label className="grow"><span className="cap ink3">{t('Name')}</span><input className="field" required autoComplete="username" value={who.name} onChange={e => setWho({ ...who, name: e.target.value })} /></label>
      <label className="grow"><span className="cap ink3">{t('Password')}</span><input className="field" required type="password" autoComplete="current-password" value={who.password} onChange={e => setWho({ ...who, password: e.target.value })} /></label>
      <button className="btn primary" type="submit" style={{ alignSelf: 'flex-end' }}>{t('Sign in')}</button>
      {wrong && <p className="bad" role="status" style={{ width: '100%' }}>{wrong}</p>}
    </form>
  )
}
