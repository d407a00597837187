-- The scripts of docs/guide/tutorial.md do what the page says.

local helper = require "spec.helper"
local libevent = require "libevent"
local interpreter = require "spec.interpreter"
local services = require "spec.services"

local run = helper.run

local files = {}

--- The scripts, by their names.
local function scripts()
  local file <close> = assert(io.open "docs/guide/tutorial.md")
  local found = {}
  for sample in file:read "a":gmatch "```lua\n(.-)```" do
    found[sample:match "^%-%- (%w+%.lua)\n"] = sample
  end
  return found
end

--- Runs a script with evrun, its output as a stream; other ports than those of
-- the page.
local function start(code, port)
  local name = helper.temporary((code:gsub("9995", port)))
  files[#files + 1] = name
  return assert(libevent.process.start { "sh", "-c",
    ("exec %s lua/evrun %s"):format(interpreter.lua, name), stdin = "null",
    stdout = "stream", stderr = "null", parent_ends = "KILL",
    setenv = { LUA_INIT = "io.stdout:setvbuf 'line'" } })
end

--- Says a line where somebody listens soon.
local function ask(address, line)
  local answer
  repeat
    answer = services.ask(address, line)
  until answer or not libevent.sleep(0.01)
  return answer
end

describe("the tutorial", function()
  after_each(function()
    for _, name in ipairs(files) do
      os.remove(name)
    end
    files = {}
  end)

  it("has a timer loop", run(function()
    local program <close> = start(scripts()["timer.lua"], "0")
    for _ = 1, 2 do
      assert.equal("sub process!", (program.stdout:read "l"))
    end
    program:kill "INT"
    assert.same({ "exit", 0 }, { program:wait(20) })
  end))

  it("has a listener", run(function()
    local _, port = services.range(1)
    local program <close> = start(scripts()["listener.lua"],
      tostring(port))
    local address = "127.0.0.1:" .. port
    local stream
    repeat
      stream = libevent.connect(address)
      libevent.sleep(0.01)
    until stream
    stream:write "hello\n"
    assert.equal("hello", (stream:read "l"))
    stream:close()
    program:kill "TERM"
    program:wait(20)
    local said = program.stdout:read "a"
    assert.matches("^connection from (127.0.0.1:%d+)\n%1 has ended: eof\n$",
      said)
  end))

  it("has a service and a client", run(function()
    local _, port = services.range(1)
    local all = scripts()
    local server <close> = start(all["service.lua"], tostring(port))
    local address = "127.0.0.1:" .. port
    assert.equal("x", ask(address, "x"))
    local client <close> = start(all["client.lua"], tostring(port))
    assert.equal("hello\n", (client.stdout:read "a"))
    server:kill "TERM"
    assert.same({ "exit", 0 }, { server:wait(20) })
  end))

  it("has ten of them", run(function()
    local service <close> = services.start(scripts()["service.lua"],
      "--listen " .. services.range(10))
    local workers = service:ready().workers
    assert.equal(10, #workers)
    for _, each in ipairs(workers) do
      assert.equal("hello", (services.ask(each.addresses[1], "hello")))
    end
    service:stop()
  end))
end)
