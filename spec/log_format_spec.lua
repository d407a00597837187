local helper = require "spec.helper"
local libevent = require "libevent"
local logging = require "spec.logging"

local log, last = libevent.log, logging.last

describe("the format of a log line", function()
  before_each(logging.start)
  after_each(logging.stop)

  describe("values", function()
    local object = setmetatable({}, { __tostring = function()
      return "an object"
    end })
    local broken = setmetatable({}, { __tostring = function()
      error "no"
    end })
    local wrong = setmetatable({}, { __tostring = function()
      return {}
    end })
    local cycle = { 1 }
    cycle[2] = cycle

    --- Each value, its text and its JSON.
    local values = {
      { 1, "1", "1" },
      { -0.0, "-0.0", "-0.0" },
      { 2.0, "2.0", "2.0" },
      { 0.1, "0.1", "0.1" },
      { 1 / 3, "0.33333333333333331", "0.33333333333333331" },
      { 1e300, "1e+300", "1e+300" },
      { math.maxinteger, "9223372036854775807", "9223372036854775807" },
      { math.mininteger, "-9223372036854775808", "-9223372036854775808" },
      { (1 << 53) + 1, "9007199254740993", "9007199254740993" },
      { 0 / 0, "nan", '"nan"' },
      { -(0 / 0), "nan", '"nan"' },
      { 1 / 0, "inf", '"inf"' },
      { -1 / 0, "-inf", '"-inf"' },
      { false, "false", "false" },
      { "", '""', '""' },
      { "plain", "plain", '"plain"' },
      { "127.0.0.1:80", "127.0.0.1:80", '"127.0.0.1:80"' },
      { "größer", "größer", '"größer"' },
      { "a=b", '"a=b"', '"a=b"' },
      { 'say "x"', [["say \"x\""]], [["say \"x\""]] },
      { "a\\b", [["a\\b"]], [["a\\b"]] },
      { "[1]", '"[1]"', '"[1]"' },
      { "a\nb\r\t", [["a\nb\r\t"]], [["a\nb\r\t"]] },
      { "\27[2J\0", [["\x1b[2J\x00"]], [["\u001b[2J\u0000"]] },
      { "\127", [["\x7f"]], [["\u007f"]] },
      { "\u{85}\u{9b}", [["\u{85}\u{9b}"]], [["\u0085\u009b"]] },
      { "\u{2028}\u{2029}", [["\u{2028}\u{2029}"]], [["\u2028\u2029"]] },
      { "\u{202e}\u{2066}", [["\u{202e}\u{2066}"]], [["\u202e\u2066"]] },
      { "\xff", [["\xff"]], '"\u{FFFD}"' },
      { "a\xc3\n", [["a\xc3\n"]], [["a]] .. "\u{FFFD}" .. [[\n"]] },
      { "\xc0\x80", [["\xc0\x80"]], '"\u{FFFD}\u{FFFD}"' },
      { "\xed\xa0\x80", [["\xed\xa0\x80"]], '"\u{FFFD}\u{FFFD}\u{FFFD}"' },
      { object, '"an object"', '"an object"' },
      { broken, '"(table whose __tostring failed)"',
        '"(table whose __tostring failed)"' },
      { wrong, '"(table whose __tostring failed)"',
        '"(table whose __tostring failed)"' },
      { {}, "{}", "{}" },
      { { 1, "a b", true }, '[1,"a b",true]', '[1,"a b",true]' },
      { { y = 0 / 0, x = "\n" }, [[{"x":"\n","y":"nan"}]],
        [[{"x":"\n","y":"nan"}]] },
      { { 1, x = 2 }, '{"1":1,"x":2}', '{"1":1,"x":2}' },
      { { [2] = 1 }, '{"2":1}', '{"2":1}' },
      { { 1, { 2 }, object }, '[1,"{…}","an object"]',
        '[1,"{…}","an object"]' },
      { cycle, '[1,"{…}"]', '[1,"{…}"]' },
      { setmetatable({ a = 1 }, {}), '{"a":1}', '{"a":1}' },
      { setmetatable({ 1 }, { __index = error, __len = error, __pairs = error,
        __metatable = false }), "[1]", "[1]" },
      { { time = 1, level = 2 }, '{"level":2,"time":1}',
        '{"level":2,"time":1}' },
    }

    it("have a text", function()
      for i, value in ipairs(values) do
        log.info("m", { x = value[1] })
        assert.equal("INFO  m x=" .. value[2], last(), "value " .. i)
      end
    end)

    it("have a JSON", function()
      log.format "json"
      for i, value in ipairs(values) do
        log.info("m", { x = value[1] })
        assert.equal('{"level":"info","message":"m","x":' .. value[3] .. "}",
          last(), "value " .. i)
      end
    end)

    it("of other types have what tostring gives", function()
      local thread = coroutine.create(print)
      for _, value in ipairs { print, thread, io.stdout } do
        log.info("m", { x = value })
        assert.equal(('INFO  m x="%s"'):format(value), last())
      end
    end)

    it("do not fail with fields that change meanwhile", function()
      local fields = {}
      for i = 1, 20 do
        fields["x" .. i] = setmetatable({}, { __tostring = function()
          for k = 1, 100 do
            fields["y" .. i * k], fields["x" .. k] = k, nil
          end
          return "changed"
        end })
      end
      local before = log.dropped()
      log.info("m", fields)
      assert.equal(before, log.dropped())
      assert.matches("^INFO  m x1=changed x10=nil", last())
    end)

    it("are counted where there are too many", function()
      local list, object_of = {}, {}
      for i = 1, 1000 do
        list[i], object_of["x" .. i] = i, i
      end
      log.info("m", { x = list })
      assert.matches('63,64,"… 936 more"]$', last())
      log.info("m", { x = object_of })
      assert.matches('{"x%d+":%d+,.*,"…":936}$', last())
      log.info("m", object_of)
      assert.matches("^INFO  m x%d+=%d+ .* …=936$", last())
    end)
  end)

  describe("names", function()
    it("do not stand for what the line has already", function()
      log.format "json"
      log.info("m", { time = 1, level = 2, message = 3, time_ = 4, z = 5 })
      assert.equal('{"level":"info","message":"m","level_":2,"message_":3,'
        .. '"time_":1,"time__":4,"z":5}', last())
    end)

    it("are made strings and stay different", function()
      log.format "json"
      log.info("m", { [1] = 1, ["1"] = 2, [true] = 3, ["\xff"] = 4,
        ["\xfe"] = 5 })
      assert.equal('{"level":"info","message":"m","1":2,"1_":1,"true":3,'
        .. '"\u{FFFD}":5,"\u{FFFD}_":4}', last())
    end)

    it("are escaped", function()
      local fields = { ["a b"] = 1, ["c\nd"] = 2, [""] = 3, ["x=y"] = 4 }
      log.info("m", fields)
      assert.equal([[INFO  m ""=3 "a b"=1 "c\nd"=2 "x=y"=4]], last())
      log.format "json"
      log.info("m", fields)
      assert.equal(
        [[{"level":"info","message":"m","":3,"a b":1,"c\nd":2,"x=y":4}]],
        last())
    end)
  end)

  it("forges no line by a message", function()
    log.info "a\n2026-11-25 03:42:51.123 ERROR b\r\27[1A\u{9b}2K\u{2028}c\\n"
    assert.equal([[INFO  a\n2026-11-25 03:42:51.123 ERROR b\r\x1b[1A\u{9b}2K]]
      .. [[\u{2028}c\\n]], last())
  end)

  it("has a traceback in the line where no terminal is", function()
    log.error("m", { traceback = "stack:\n\tx", a = 1 })
    assert.equal([[ERROR m a=1 traceback="stack:\n\tx"]], last())
  end)

  describe("whatever is logged", function()
    local random = math.random
    local nasty = { "\n", "\r", "\27[2J", "\0", "\127", "\u{85}", "\u{9b}",
      "\u{2028}", "\u{2029}", "\u{202e}", "\xff", "\xc2", "\xe2\x80", '"',
      "\\", "=", " ", "{", "}", "[", ",", ":", "é", "\u{10FFFF}", "time",
      "level", "message", "…" }

    local function bytes()
      local parts = {}
      for i = 1, random(0, 8) do
        parts[i] = random(3) == 1 and string.char(random(0, 255))
          or nasty[random(#nasty)]
      end
      return table.concat(parts)
    end

    local function value(depth)
      local kind = random(depth > 2 and 5 or 7)
      if kind == 1 then
        return random(0)
      elseif kind == 2 then
        return (random() - 0.5) * 10 ^ random(-320, 308)
      elseif kind == 3 then
        return ({ true, false, 0 / 0, 1 / 0, -1 / 0, print })[random(6)]
      elseif kind < 6 then
        return bytes()
      end
      local list = {}
      for i = 1, random(0, 5) do
        list[kind == 6 and i or bytes()] = value(depth + 1)
      end
      return list
    end

    --- Fails unless it is one line, valid UTF-8 and without control characters.
    local function check(line)
      assert(utf8.len(line), line)
      assert.is_nil(line:find "[%c\127]", line)
      for _, code in utf8.codes(line) do
        assert(code < 0x7f or code > 0x9f, line)
        assert(code < 0x2028 or code > 0x202e, line)
      end
    end

    local function log_any(n)
      local levels = { "debug", "info", "warn", "error" }
      for _ = 1, n do
        local fields, message = {}, bytes()
        for _ = 1, random(0, 4) do
          fields[random(5) == 1 and random(9) or bytes()] = value(1)
        end
        if utf8.len(message) then
          fields.message_in_hex = message:gsub(".", function(c)
            return ("%02x"):format(c:byte())
          end)
        end
        fields.exact = random(0)
        fields.exact_in_digits = tostring(fields.exact)
        log[levels[random(4)]](message, fields)
      end
    end

    local times = helper.stress and 200 or 3000

    it("is one clean line of text", function()
      local before = log.dropped()
      log_any(times)
      assert.equal(times, #logging.lines)
      assert.equal(before, log.dropped())
      for _, line in ipairs(logging.lines) do
        check(line)
      end
    end)

    --- Runs a program that reads lines; returns what it prints.
    local function judge(command, lines)
      local name = os.tmpname()
      local file <close> = assert(io.open(name, "w"))
      file:write(table.concat(lines, "\n"), "\n")
      file:close()
      local pipe <close> = assert(io.popen(
        ("unset LD_PRELOAD; %s <%s 2>&1"):format(command, name)))
      local output = pipe:read "a"
      os.remove(name)
      return output
    end

    local python = [[
import json, sys
def pairs(list):
    assert len(dict(list)) == len(list), list
    return dict(list)
def refuse(word):
    raise ValueError(word)
n = 0
for line in sys.stdin.buffer.read().decode("utf-8", "strict").splitlines():
    one = json.loads(line, object_pairs_hook=pairs, parse_constant=refuse)
    assert list(one)[:3] == ["time", "level", "message"], line
    assert one["exact"] == int(one["exact_in_digits"]), line
    if "message_in_hex" in one:
        assert bytes.fromhex(one["message_in_hex"]).decode() == one["message"]
    n += 1
print(n)
]]

    it("is one clean line of JSON, also to other programs", function()
      log.format "json"
      log_any(times)
      local lines = logging.lines
      for _, line in ipairs(lines) do
        check(line)
      end
      if os.execute "command -v python3 >/dev/null" then
        assert.equal(times .. "\n", judge(("python3 -c '%s'"):format(python),
          lines))
      end
      if os.execute "command -v jq >/dev/null" then
        assert.equal(times .. "\n", judge("jq -n '[inputs] | length'", lines))
      end
    end)
  end)
end)
