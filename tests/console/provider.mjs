// A real OpenID provider with two people, for the test of signing in. Arguments: port, where to send back.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const [, , port, back, packages] = process.argv
const found = createRequire(`${packages}/`).resolve('oidc-provider')
const { default: Provider } = await import(pathToFileURL(found))
const groups = { ann: ['bank-risk'], eve: ['visitors'] }
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'heptad', token_endpoint_auth_method: 'none', redirect_uris: [back], grant_types: ['authorization_code'], response_types: ['code'] }],
  pkce: { required: () => true },
  claims: { openid: ['sub', 'groups'], profile: [], email: [] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groups[id] ?? [] }) }),
  cookies: { keys: ['a test'] },
})
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'))
