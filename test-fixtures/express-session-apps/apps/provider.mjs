// An OpenID provider with its own pages for the login and the consent. Any name and any password log in.
import { serve } from '../serve.mjs'

// The first line on stdout says where it listens, so its notices go to stderr.
console.info = console.error
const { default: Provider } = await import('oidc-provider')

await serve(url => {
  const provider = new Provider(url, {
    claims: { openid: ['sub'], profile: ['name'] },
    cookies: { keys: ['provider secret'] },
    features: { registration: { enabled: true } },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Name of ${id}` }) }),
    pkce: { required: () => false },
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  })
  return provider.callback()
})
