// npm ts-mls as a peer: the same JSON lines as tests/interop/mls_peer.py. HOTLINE_TS_MLS names the folder that holds
// node_modules (npm install ts-mls @hpke/core @hpke/chacha20poly1305 @noble/curves @noble/ciphers).
import { createInterface } from "node:readline"
import { pathToFileURL } from "node:url"

const mls = await import(pathToFileURL(process.env.HOTLINE_TS_MLS + "/node_modules/ts-mls/dist/src/index.js"))
const names = { 1: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", 3: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519" }
const hex = (bytes) => Buffer.from(bytes).toString("hex")
const raw = (text) => new Uint8Array(Buffer.from(text, "hex"))
const read = (text) => mls.decodeMlsMessage(raw(text), 0)[0]
const write = (message) => hex(mls.encodeMlsMessage({ version: "mls10", ...message }))
let suite, own, state

async function keyPackage(name) {
  const now = BigInt(Math.floor(Date.now() / 1000))
  const credential = { credentialType: "basic", identity: new TextEncoder().encode(name) }
  const lifetime = { notBefore: now - 3600n, notAfter: now + 3600n }
  own = await mls.generateKeyPackage(credential, mls.defaultCapabilities(), lifetime, [], suite)
}

function describe() {
  const members = state.ratchetTree.filter((n) => n?.nodeType === "leaf").map((n) => new TextDecoder().decode(n.leaf.credential.identity))
  return {
    epoch: Number(state.groupContext.epoch),
    authenticator: hex(state.keySchedule.epochAuthenticator),
    tree_hash: hex(state.groupContext.treeHash),
    members,
  }
}

const add = (text) => ({ proposalType: "add", add: { keyPackage: read(text).keyPackage } })
const remove = (leaf) => ({ proposalType: "remove", remove: { removed: leaf } })

const operations = {
  async init(r) {
    suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName(names[r.suite]))
    await keyPackage(r.name)
    return {}
  },
  async create(r) {
    state = await mls.createGroup(raw(r.group), own.publicPackage, own.privatePackage, [], suite)
    return describe()
  },
  async key_package() {
    return { key_package: write({ wireformat: "mls_key_package", keyPackage: own.publicPackage }) }
  },
  async commit(r) {
    const extraProposals = [...(r.remove ?? []).map(remove), ...(r.add ?? []).map(add)]
    const made = await mls.createCommit(
      { state, cipherSuite: suite },
      { extraProposals, wireAsPublicMessage: r.public ?? true, ratchetTreeExtension: true },
    )
    state = made.newState
    const welcome = made.welcome ? write({ wireformat: "mls_welcome", welcome: made.welcome }) : null
    return { commit: write(made.commit), welcome, ...describe() }
  },
  async propose(r) {
    const made = await mls.createProposal(state, true, r.add !== undefined ? add(r.add) : remove(r.remove), suite)
    state = made.newState
    return { proposal: write(made.message) }
  },
  async join(r) {
    const { welcome } = read(r.welcome)
    state = await mls.joinGroup(welcome, own.publicPackage, own.privatePackage, mls.emptyPskIndex, suite)
    return describe()
  },
  async process(r) {
    const before = state.groupContext.epoch
    const done = await mls.processMessage(read(r.message), state, mls.emptyPskIndex, mls.acceptAll, suite)
    state = done.newState
    if (state.groupActiveState.kind === "removedFromGroup") return { removed: true }
    return state.groupContext.epoch === before ? { proposal: true } : describe()
  },
  async encrypt(r) {
    const made = await mls.createApplicationMessage(state, raw(r.data), suite, raw(r.aad ?? ""))
    state = made.newState
    return { message: write({ wireformat: "mls_private_message", privateMessage: made.privateMessage }) }
  },
  async decrypt(r) {
    const { privateMessage } = read(r.message)
    const done = await mls.processPrivateMessage(state, privateMessage, mls.emptyPskIndex, suite)
    state = done.newState
    return { data: hex(done.message), aad: hex(privateMessage.authenticatedData) }
  },
  async export(r) {
    return { secret: hex(await mls.mlsExporter(state.keySchedule.exporterSecret, r.label, raw(r.context), r.length, suite)) }
  },
  async state() {
    return describe()
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line)
  let answer
  try {
    answer = await operations[request.op](request)
  } catch (error) {
    answer = { error: error.constructor.name, detail: String(error.message) }
  }
  console.log(JSON.stringify(answer))
}
