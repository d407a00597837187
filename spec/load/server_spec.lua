-- What `serve` bears. The clients of 10,000 connections are in this process,
-- the server is the one of the README, in another.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local share = helper.sanitized and 10 or 1

--- So many, but a tenth where everything is slower.
local function many(n)
  return n // share
end

--- The README's server, on a port of its own, which it tells.
local function readme()
  local file <close> = assert(io.open "README.md")
  local code
  for sample in file:read "a":gmatch "```lua\n(.-)```" do
    code = code or (sample:find("libevent.serve", 1, true) and sample)
  end
  local ported, n = code:gsub('"127%.0%.0%.1:%d+"', '"127.0.0.1:0"')
  assert.equal(1, n)
  return [[
    local libevent = require "libevent"
    local serve = libevent.serve
    function libevent.serve(...)
      local server = serve(...)
      print(server:getsockname())
      io.stdout:flush()
      return server
    end
  ]] .. ported
end

describe("serve #load", function()
  before_each(function()
    posix.nofile(16000)
    posix.alarm(200)
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
    collectgarbage()
  end)

  it("holds 10,000 connections in the README's ten lines", function()
    local name <const> = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(readme())
    file:close()
    local pipe, pid, address = program.serve(name, "ulimit -n 16000;", 200)
    local n, echoed = many(10000), 0
    libevent.run(function()
      local all = libevent.base():condition()
      local room = 100 -- connect at the same time
      local function talk(i)
        local stream <close> = assert(libevent.connect(address,
          { timeout = 60 }))
        room = room + 1
        local line = ("connection %d"):format(i)
        for _ = 1, 3 do
          assert(stream:write(line, "\n"))
          assert.equal(line, (stream:read("l", 100)))
        end
        echoed = echoed + 1
        all:wait() -- all of them are open until the last has echoed
      end
      for i = 1, n do
        while room == 0 do
          libevent.sleep(0.001)
        end
        room = room - 1
        libevent.spawn(talk, i)
      end
      while echoed < n do
        libevent.sleep(0.01)
      end
      local rss = program.rss(pid)
      local itself = (helper.sanitized and 32 or 16) * 1024
      assert.is_true(rss < itself + n * 4, ("%d KiB"):format(rss))
      all:broadcast()
    end)
    assert.equal(n, echoed)
    os.remove(name)
    posix.kill(pid, 9)
    pipe:close()
  end)

  it("reports each error of 100,000 requests, and serves the others", function()
    local n, served, failed, told = many(100000), 0, 0, 0
    libevent.run(function()
      local base = libevent.base()
      base:on_error(function(err)
        assert.matches("tenth$", err)
        told = told + 1
      end)
      local requests = 0
      local server <close> = assert(libevent.serve("127.0.0.1:0",
        function(stream)
          for line in stream:lines() do
            requests = requests + 1
            if requests % 10 == 0 then
              error "tenth"
            end
            stream:write(line, "\n")
          end
        end))
      local address, left = server:getsockname(), n
      local function ask()
        local stream
        while left > 0 do
          left = left - 1
          stream = stream or assert(libevent.connect(address))
          stream:write "request\n"
          if stream:read("l", 60) == "request" then
            served = served + 1
          else
            failed = failed + 1
            stream:close()
            stream = nil
          end
        end
        if stream then
          stream:close()
        end
      end
      libevent.scope(function()
        for _ = 1, 20 do
          libevent.spawn(ask)
        end
      end)
      assert.equal(failed, server:counters().failed)
      assert.is_true(server:drain(10))
    end)
    assert.same({ n * 9 // 10, n // 10, n // 10 }, { served, failed, told })
  end)
end)
