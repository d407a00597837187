local helper = require "spec.helper"
local libevent = require "libevent"

local loop = helper.loop
local evbuffer = libevent.evbuffer
local random = math.random

local rounds = helper.stress and 20 or 400

--- A buffer that holds a string in pieces of random lengths, up to `most`.
local function pieces(text, most)
  local buffer, at = evbuffer(), 1
  while at <= #text do
    local n = random(most)
    buffer:add(evbuffer(text:sub(at, at + n - 1)))
    at = at + n
  end
  return buffer
end

--- So many characters of a set, at random.
local function some(set, n)
  local list = {}
  for i = 1, n do
    local at = random(#set)
    list[i] = set:sub(at, at)
  end
  return table.concat(list)
end

--- A position from 1 on; `init` may count from the end.
local function position(text, init)
  return init < 0 and math.max(#text + init + 1, 1) or init
end

--- What search returns, by string.find.
local function find(text, what, init, last)
  return text:sub(1, last or -1):find(what, position(text, init or 1), true)
end

--- What search_eol returns, by string.find.
local patterns = {
  any = "[\r\n]+", crlf = "\r?\n", crlf_strict = "\r\n", lf = "\n", nul = "\0",
}

local function findeol(text, eol, init)
  return text:find(patterns[eol], position(text, init or 1))
end

describe("evbuffer search", function()
  it("finds a string as string.find does", loop(function()
    local buffer = evbuffer "hello world"
    for _, what in ipairs { "hello", "world", "o", "o w", "x", "hello world",
      "hello world!", "", "d", "h" } do
      assert.same({ find("hello world", what) }, { buffer:search(what) })
    end
    assert.equal("hello world", buffer:copyout())
  end))

  it("begins at init", loop(function()
    local buffer = pieces("abcabcabc", 2)
    assert.same({ 1, 3 }, { buffer:search("abc", 0) })
    assert.same({ 1, 3 }, { buffer:search("abc", 1) })
    assert.same({ 4, 6 }, { buffer:search("abc", 2) })
    assert.same({ 7, 9 }, { buffer:search("abc", 7) })
    assert.is_nil(buffer:search("abc", 8))
    assert.is_nil(buffer:search("abc", math.maxinteger))
    assert.same({ 7, 9 }, { buffer:search("abc", -3) })
    assert.is_nil(buffer:search("abc", -2))
    assert.same({ 4, 6 }, { buffer:search("abc", -8) })
    assert.same({ 1, 3 }, { buffer:search("abc", -100) })
    assert.same({ 1, 3 }, { buffer:search("abc", math.mininteger) })
  end))

  it("ends at last", loop(function()
    local buffer = pieces("abcabcabc", 2)
    assert.same({ 1, 3 }, { buffer:search("abc", 1, 3) })
    assert.is_nil(buffer:search("abc", 1, 2))
    assert.is_nil(buffer:search("abc", 2, 5))
    assert.same({ 4, 6 }, { buffer:search("abc", 2, 6) })
    assert.same({ 7, 9 }, { buffer:search("abc", 5, -1) })
    assert.is_nil(buffer:search("abc", 5, -2))
    assert.same({ 4, 6 }, { buffer:search("abc", 4, -4) })
    assert.same({ 1, 3 }, { buffer:search("abc", 1, math.maxinteger) })
    assert.is_nil(buffer:search("abc", 1, 0))
    assert.is_nil(buffer:search("abc", 1, -100))
    assert.is_nil(buffer:search("abc", 1, math.mininteger))
    assert.is_nil(buffer:search("abc", 6, 3))
  end))

  it("finds an empty string at once", loop(function()
    local buffer = evbuffer "abc"
    for init = -5, 5 do
      for last = -5, 5 do
        assert.same({ find("abc", "", init, last) },
          { buffer:search("", init, last) }, init .. " to " .. last)
      end
    end
    assert.same({ 1, 0 }, { evbuffer():search "" })
  end))

  it("finds nothing in an empty buffer", loop(function()
    local buffer = evbuffer()
    for init = -2, 2 do
      assert.is_nil(buffer:search("a", init))
      assert.is_nil(buffer:search_eol("lf", init))
    end
    assert.is_nil(buffer:readln())
    assert.is_nil(buffer:expand(1000):search "a")
  end))

  it("finds zeros and numbers", loop(function()
    local buffer = pieces("a\0b\0\0c42", 1)
    assert.same({ 4, 5 }, { buffer:search "\0\0" })
    assert.same({ 3, 4 }, { buffer:search "b\0" })
    assert.same({ 7, 8 }, { buffer:search(42) })
  end))

  it("finds what stands in many pieces", loop(function()
    local buffer = pieces(("x"):rep(500) .. "needle" .. ("x"):rep(500), 1)
    assert.same({ 501, 506 }, { buffer:search "needle" })
    assert.same({ 501, 506 }, { buffer:search("needle", 501, 506) })
    assert.is_nil(buffer:search("needle", 502))
    assert.is_nil(buffer:search("needle", 1, 505))
  end))

  it("finds what overlaps with itself", loop(function()
    local buffer = pieces("aabaabaabaac", 2)
    assert.same({ 7, 12 }, { buffer:search "aabaac" })
    assert.same({ 4, 9 }, { buffer:search("aabaab", 2) })
  end))

  it("agrees with string.find at random", loop(function()
    for _ = 1, rounds do
      local text = some("ab", random(0, 60))
      local buffer = pieces(text, random(5))
      for _ = 1, 20 do
        local what = some("ab", random(0, 6))
        local init, last = random(-70, 70), random(-70, 70)
        assert.same({ find(text, what, init, last) },
          { buffer:search(what, init, last) },
          ("%q: %q from %d to %d"):format(text, what, init, last))
      end
      assert.equal(text, buffer:copyout() or "")
    end
  end))

  it("refuses bad arguments", function()
    local buffer = evbuffer "abc"
    for _, bad in ipairs { {}, print, true, io.stderr } do
      assert.error_matches(function()
        buffer:search(bad)
      end, "bad argument #1 to 'search' %(string expected")
    end
    assert.error_matches(function()
      buffer:search()
    end, "bad argument #1 to 'search' %(string expected, got no value")
    for place, arguments in pairs { [2] = {}, [3] = { 1 } } do
      for _, bad in ipairs { {}, print, true, io.stderr, "x", 1.5, 0 / 0 } do
        arguments[place - 1] = bad
        assert.error_matches(function()
          buffer:search("b", table.unpack(arguments))
        end, "bad argument #" .. place .. " to 'search' %(number ")
      end
    end
  end)
end)

describe("evbuffer search_eol", function()
  it("knows every end of a line", loop(function()
    local buffer = pieces("a\r\n\n\rb\r\r\nc\0d", 2)
    assert.same({ 2, 3 }, { buffer:search_eol() })
    assert.same({ 2, 3 }, { buffer:search_eol "crlf" })
    assert.same({ 2, 3 }, { buffer:search_eol "crlf_strict" })
    assert.same({ 3, 3 }, { buffer:search_eol "lf" })
    assert.same({ 11, 11 }, { buffer:search_eol "nul" })
    assert.same({ 2, 5 }, { buffer:search_eol "any" })
  end))

  it("begins at init", loop(function()
    local buffer = pieces("a\r\n\n\rb\r\r\nc\0d", 2)
    assert.same({ 3, 3 }, { buffer:search_eol("crlf", 3) })
    assert.same({ 4, 4 }, { buffer:search_eol(nil, 4) })
    assert.same({ 8, 9 }, { buffer:search_eol("crlf", 5) })
    assert.same({ 8, 9 }, { buffer:search_eol("crlf_strict", 3) })
    assert.same({ 9, 9 }, { buffer:search_eol("lf", -4) })
    assert.same({ 7, 9 }, { buffer:search_eol("any", 6) })
    assert.same({ 9, 9 }, { buffer:search_eol("any", 9) })
    assert.is_nil(buffer:search_eol("any", 10))
    assert.is_nil(buffer:search_eol("nul", 12))
    assert.is_nil(buffer:search_eol("lf", 13))
    assert.is_nil(buffer:search_eol("lf", math.maxinteger))
    assert.same({ 2, 3 }, { buffer:search_eol("crlf", math.mininteger) })
  end))

  it("agrees with string.find at random", loop(function()
    for _ = 1, rounds do
      local text = some("\r\r\n\n\0ab", random(0, 40))
      local buffer = pieces(text, random(4))
      for eol in pairs(patterns) do
        for init = -#text - 1, #text + 1, 3 do
          assert.same({ findeol(text, eol, init) },
            { buffer:search_eol(eol, init) },
            ("%q: %s from %d"):format(text, eol, init))
        end
      end
    end
  end))

  it("refuses bad arguments", function()
    local buffer = evbuffer "abc"
    helper.badargs(buffer.search_eol, buffer, "?eol")
    for _, bad in ipairs { {}, print, true, io.stderr, "x", 1.5, 0 / 0 } do
      assert.error_matches(function()
        buffer:search_eol("lf", bad)
      end, "bad argument #2 to 'search_eol' %(number ")
    end
    helper.badargs(buffer.readln, buffer, "?eol")
    assert.error_matches(function()
      buffer:readln "cr"
    end, "bad argument #1 to 'readln' %(invalid option 'cr'")
  end)
end)

describe("evbuffer readln", function()
  it("removes a line and returns it without its end", loop(function()
    local buffer = evbuffer "one\ntwo\r\n\nthree"
    assert.equal("one", buffer:readln())
    assert.equal("two", buffer:readln())
    assert.equal("", buffer:readln())
    assert.is_nil(buffer:readln())
    assert.equal("three", buffer:copyout())
  end))

  it("leaves what is not complete", loop(function()
    for eol, text in pairs {
      any = "abc\0", crlf = "abc\r\0", crlf_strict = "a\rb\nc\n\r",
      lf = "abc\r\0", nul = "abc\r\n",
    } do
      local buffer = pieces(text, 2)
      assert.is_nil(buffer:readln(eol), eol)
      assert.is_nil(buffer:search_eol(eol), eol)
      assert.equal(text, buffer:copyout())
    end
  end))

  it("finds an end that comes in pieces", loop(function()
    for eol, text in pairs {
      any = "\n\r\n\r", crlf = "\r\n", crlf_strict = "\r\n", lf = "\n",
      nul = "\0",
    } do
      local buffer = pieces("line" .. text .. "rest", 1)
      assert.equal("line", buffer:readln(eol), eol)
      assert.equal("rest", buffer:copyout(), eol)
    end
  end))

  it("completes a line with what comes later", loop(function()
    local buffer = evbuffer()
    for char in ("first\r"):gmatch "." do
      assert.is_nil(buffer:add(evbuffer(char)):readln "crlf_strict")
    end
    assert.equal("first", buffer:add(evbuffer "\n"):readln "crlf_strict")
    assert.equal(0, #buffer)
  end))

  it("keeps zeros in lines, and lines in strings", loop(function()
    local buffer = pieces("a\0b\nc\nd\0e", 2)
    assert.equal("a\0b", buffer:readln "lf")
    assert.equal("c\nd", buffer:readln "nul")
    assert.equal("e", buffer:copyout())
  end))

  it("reads a line of any length", loop(function()
    for _, n in ipairs { 0, 1, 4095, 16384, 1 << 20 } do
      local line = ("x"):rep(n)
      local buffer = evbuffer(line, "\r\n", line, "\n")
      assert.is_true(line == buffer:readln(), n)
      assert.is_true(line == buffer:readln(), n)
      assert.equal(0, #buffer)
    end
  end))

  it("agrees with string.find at random", loop(function()
    for _ = 1, rounds do
      for eol in pairs(patterns) do
        local text = some("\r\n\0abcd", random(0, 40))
        local buffer = pieces(text, random(4))
        local first, last = findeol(text, eol)
        while first do
          assert.equal(text:sub(1, first - 1), buffer:readln(eol))
          text = text:sub(last + 1)
          assert.equal(text, buffer:copyout() or "")
          first, last = findeol(text, eol)
        end
        assert.is_nil(buffer:readln(eol))
        assert.equal(text, buffer:remove() or "")
      end
    end
  end))

  it("reads line after line in a loop", loop(function()
    local buffer, lines = evbuffer "a\n\nb\r\nrest", {}
    for line in buffer:lines() do
      lines[#lines + 1] = line
    end
    assert.same({ "a", "", "b" }, lines)
    assert.equal("rest", buffer:remove())
    buffer:add "one\0two\0"
    for line in buffer:lines "nul" do
      assert.equal("one", line)
      buffer:close()
    end
    assert.error_matches(function()
      buffer:lines()
    end, "attempt to use a closed evbuffer")
    assert.error_matches(function()
      evbuffer():lines "cr"
    end, "bad argument #1 to 'lines' %(invalid option 'cr'%)")
  end))
end)
