local helper = require "spec.helper"
local libevent = require "libevent"
local log = require "libevent.log"
local output = require "libevent.supervisor.output"
local posix = require "spec.posix"

local run = helper.run

--- A pipe, and the file of its end for writing.
local function pipe()
  local r, w = posix.pipe()
  local file = assert(io.open("/proc/self/fd/" .. w, "w"))
  file:setvbuf "no"
  posix.close(w)
  return r, file
end

describe("the output of a monitor", function()
  it("goes to a pipe, in order", run(function(base)
    local r, file = pipe()
    local out = output.new(base, file)
    for i = 1, 100 do
      out:write(i .. "\n")
    end
    out:flush()
    file:close()
    local text = posix.read(r, 65536)
    assert.matches("^1\n2\n3\n.*\n100\n$", text)
    posix.close(r)
  end))

  it("never waits for who reads #blocking", run(function(base)
    local r, file = pipe()
    local out = output.new(base, file)
    local line = ("x"):rep(99999) .. "\n"
    for _ = 1, 20 do
      out:write(line) -- far more than a pipe takes
      libevent.sleep(0)
    end
    assert.is_true(out.dropped > 0)
    out:flush()
    assert.is_true(out.pumping)
    local all = {}
    while out.pumping or libevent.wait(r, "r", 0) do
      if libevent.wait(r, "r", 0) then
        all[#all + 1] = posix.read(r, 65536)
      end
      libevent.sleep(0)
    end
    file:close()
    posix.close(r)
    assert.matches('"output was left out","bytes":%d+}\n$', table.concat(all))
  end))

  it("is all there though memory was short", run(function(base)
    local r, file = pipe()
    local out = output.new(base, file)
    local put, calls = libevent.posix.put, 0
    local _ <close> = setmetatable({}, { __close = function()
      libevent.posix.put = put
    end })
    libevent.posix.put = function(...)
      calls = calls + 1
      if calls == 2 then
        error "not enough memory"
      end
      return put(...)
    end
    local text = ("one\n"):rep(2000) -- is written in two pieces
    out:write(text)
    out:write "two\n"
    out:flush()
    assert.is_false(out.pumping)
    out:write "three\n"
    out:flush()
    file:close()
    local all, piece = "", posix.read(r, 65536)
    while piece and piece ~= "" do
      all, piece = all .. piece, posix.read(r, 65536)
    end
    assert.is_true(all == text .. "two\nthree\n", #all)
    posix.close(r)
  end))

  it("goes to a file", run(function(base)
    local name, _ <close> = helper.temporary ""
    local file <close> = io.open(name, "w")
    local out = output.new(base, file)
    out:write "one\n"
    out:flush()
    file:flush()
    assert.equal("one\n", io.open(name):read "a")
  end))

  it("has the lines of the log, for a while", run(function(base)
    local name, _ <close> = helper.temporary ""
    local file <close> = io.open(name, "w")
    local out, before = output.new(base, file), log.output()
    do
      local _ <close> = out:capture_log()
      log.warn("a line", { a = 1 })
    end
    assert.equal(before, log.output())
    out:flush()
    file:flush()
    assert.matches("a line.*a.*1.*\n$", io.open(name):read "a")
  end))
end)
