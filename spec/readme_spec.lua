-- What the README shows is true.

local helper = require "spec.helper"
local program = require "spec.program"

local lua = require "spec.interpreter".lua

local samples, sessions = {}, {}

do
  local file <close> = assert(io.open "README.md")
  local text = file:read "a"
  for sample in text:gmatch "```lua\n(.-)```" do
    -- A port that the kernel chooses.
    samples[#samples + 1] = sample:gsub('"127%.0%.0%.1:%d+"', '"127.0.0.1:0"')
  end
  for session in text:gmatch "\n    lua/evrun\n(.-)\n\n" do
    sessions[#sessions + 1] = session
  end
end

--- Runs a program; returns what it has printed.
local function output_of(text, command)
  local file, _ <close> = helper.temporary(text)
  local output, how, number = program.run(("timeout -s KILL 60 %s %s %s")
    :format(lua, command or "", file))
  assert.same({ "exit", 0 }, { how, number }, output)
  return output
end

describe("the README", function()
  it("has two samples of Lua and one session", function()
    assert.same({ 2, 1 }, { #samples, #sessions })
  end)

  it("shows a timer and an echo in callbacks", function()
    local text, n = samples[1]:gsub("base:dispatch%(%)\n", [[
      local said = ""
      local client = base:bufferevent()
      client:setcb { read = function()
        said = said .. client:read()
      end }
      client:connect(listener:getsockname())
      client:write "hello"
      client:enable "r"
      local ticks, print = 0, print
      function _G.print(...)
        print(...)
        ticks = ticks + 1
        if ticks == 2 then
          print(said)
          base:loopbreak()
        end
      end
      %0]])
    assert.equal(1, n)
    assert.equal("sub process!\nsub process!\nhello\n", output_of(text))
  end)

  it("shows the same in tasks", function()
    local output = output_of([[
      local libevent = require "libevent"
      local serve, every, address = libevent.serve, libevent.every, nil
      function libevent.serve(...)
        local server = serve(...)
        address = server:getsockname()
        return server
      end
      function libevent.every(seconds, fn)
        return every(seconds / 100, function()
          fn()
          local client <close> = libevent.connect(address)
          client:write "hello\n"
          print(client:read "l")
          os.exit(true, true)
        end)
      end
    ]] .. samples[2])
    assert.equal("sub process!\nhello\n", output)
  end)

  it("shows what can be typed", function()
    local typed, said = {}, {}
    for line in sessions[1]:gmatch "[^\n]+" do
      local input = line:match "^ *> (.*)"
      table.insert(input and typed or said, input or line:match "%S.*")
    end
    local port = "127.0.0.1:9997"
    local text = table.concat(typed, "\n"):gsub(port, "unix:@readme")
    local output = output_of(text .. "\nserver:close()\n", "lua/evrun <")
    assert.equal(said[1], output:match "[^\n]+")
    assert.matches("\nstream:read%(.-Returns:", output)
  end)
end)
