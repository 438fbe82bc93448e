// npm @hpke/hybridkem-x-wing as a peer on the KEM level: one JSON request per line, binary values in hex.
import { createHash } from "node:crypto"
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const from = createRequire(pathToFileURL(process.env.HOTLINE_TS_MLS + "/package.json"))
const load = (name) => import(pathToFileURL(from.resolve(name)))
const { XWing } = await load("@hpke/hybridkem-x-wing")
const { CipherSuite, HkdfSha256 } = await load("@hpke/core")
const { Chacha20Poly1305 } = await load("@hpke/chacha20poly1305")
const hex = (bytes) => Buffer.from(bytes).toString("hex")
const raw = (text) => new Uint8Array(Buffer.from(text, "hex")).buffer
const kem = new XWing()
const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })

async function pair(seed) {
  const privateKey = await kem.deserializePrivateKey(raw(seed))
  // A seed is a private key; deriving from one that is already known is what generateKeyPairDerand does.
  const made = await kem.generateKeyPairDerand(new Uint8Array(raw(seed)))
  return { privateKey, publicKey: made.publicKey }
}

const operations = {
  // SHAKE-256 of OpenSSL, for the input that draft-ietf-hpke-pq spells out.
  async shake({ data }) {
    return { digest: createHash("shake256", { outputLength: 32 }).update(Buffer.from(data, "hex")).digest("hex") }
  },
  async publicKey({ seed }) {
    return { public: hex(await kem.serializePublicKey((await pair(seed)).publicKey)) }
  },
  async encap({ public: key }) {
    const { sharedSecret, enc } = await kem.encap({ recipientPublicKey: await kem.deserializePublicKey(raw(key)) })
    return { secret: hex(sharedSecret), enc: hex(enc) }
  },
  async decap({ seed, enc }) {
    const { privateKey } = await pair(seed)
    return { secret: hex(await kem.decap({ recipientKey: privateKey, enc: raw(enc) })) }
  },
  async seal({ public: key, info, aad, data }) {
    const sender = await suite.createSenderContext({ recipientPublicKey: await kem.deserializePublicKey(raw(key)), info: raw(info) })
    const ciphertext = await sender.seal(raw(data), raw(aad))
    return { enc: hex(sender.enc), ciphertext: hex(ciphertext), exported: hex(await sender.export(raw("6c6162656c"), 32)) }
  },
  async open({ seed, enc, info, aad, ciphertext }) {
    const recipient = await suite.createRecipientContext({ recipientKey: (await pair(seed)).privateKey, enc: raw(enc), info: raw(info) })
    return { data: hex(await recipient.open(raw(ciphertext), raw(aad))), exported: hex(await recipient.export(raw("6c6162656c"), 32)) }
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  console.log(JSON.stringify(await operations[request.op](request)))
}
