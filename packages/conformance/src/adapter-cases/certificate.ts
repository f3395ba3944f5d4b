/** What a server that speaks TLS needs. */
export interface Certificate {
  key: string
  cert: string
}

/**
 * A self-signed certificate for probe apps, and its key, which protects nothing. Valid for 100 years. Written by
 * `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost`.
 */
export const CERTIFICATE: Certificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgxIliy6Q/gaR49ENw
26ONuiIe/uKosDPlTzsFH+ZCB5OhRANCAARj0yTigGUQTjWK0Hmn4CFj8GXb11cZ
uZc3OjrXwEllLIb9wnOY/T8aoV+nQN3SfMRZ0TKw6YCFAVFYf5zQR6+Z
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBfzCCASWgAwIBAgIUF1umh4GUvLrzGnsChlTLRgb8GkwwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODE5MzUzNFoYDzIxMjYxMTA0
MTkzNTM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARj0yTigGUQTjWK0Hmn4CFj8GXb11cZuZc3OjrXwEllLIb9wnOY/T8a
oV+nQN3SfMRZ0TKw6YCFAVFYf5zQR6+Zo1MwUTAdBgNVHQ4EFgQUIIM4zmbvPclK
1gn/hzCgOhSwhWIwHwYDVR0jBBgwFoAUIIM4zmbvPclK1gn/hzCgOhSwhWIwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAMmX0PTKX/nRbapszdZ6/m
17c1e4zLPqHv7wmjI6BDgwIhAIndp1b/V3ZJnfL/ss8BLPN65j0n3vEdYe5Lo/R4
CgE0
-----END CERTIFICATE-----`,
}
