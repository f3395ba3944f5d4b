/** A cookie value without its percent-encoding. Malformed ones stay as they are. */
export function decodedValue(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}

/** The object in base64 of JSON in UTF-8. `null` for anything else. */
export function base64Json(text: string): Record<string, unknown> | null {
  try {
    const bytes = Uint8Array.from(atob(text), char => char.charCodeAt(0))
    return objectIn(new TextDecoder().decode(bytes))
  } catch {
    return null
  }
}

/** The object in a JSON text. `null` for anything else. */
export function objectIn(json: string): Record<string, unknown> | null {
  let data: unknown
  try {
    data = JSON.parse(json)
  } catch {
    return null
  }
  return isObject(data) ? data : null
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
