local protocol = require "libevent.console.protocol"

describe("the console's protocol", function()
  it("packs values", function()
    local nested = { 1, 2.5, "a\0b", { x = true, [false] = -1 }, n = {} }
    for _, value in ipairs { 0, math.mininteger, 1 / 0, 0.1, "", "\0", true,
      ("x"):rep(9999), false, nested } do
      assert.same(value, protocol.unpack(protocol.pack(value)))
    end
    assert.is_nil(protocol.unpack(protocol.pack(nil)))
  end)

  it("refuses what is no packed value", function()
    for _, bytes in ipairs { "", "x", "i123", "s\0\0\0\9abc", "{", "{sn",
      ("{"):rep(100000), "{nn}", "\255" } do
      assert.is_false((pcall(protocol.unpack, bytes)), bytes:sub(1, 9))
    end
    for _ = 1, 2000 do
      local bytes = {}
      for i = 1, math.random(20) do
        bytes[i] = ("ntfids{}\0\1x"):sub(math.random(11)):sub(1, 1)
      end
      pcall(protocol.unpack, table.concat(bytes))
    end
  end)

  it("cuts what comes into frames, however it comes", function()
    local bytes = protocol.frame("I", "a line") .. protocol.frame("X")
      .. protocol.frame("C", ("x"):rep(5000)) .. protocol.frame("?", "")
    for size = 1, #bytes, 7 do
      local reader, got = protocol.reader(), {}
      for from = 1, #bytes, size do
        local frames = reader:take(bytes:sub(from, from + size - 1))
        table.move(frames, 1, #frames, #got + 1, got)
      end
      assert.same({ "Ia line", "X", "C" .. ("x"):rep(5000), "?" }, got)
    end
    assert.is_nil(protocol.reader():take "\255\0\0\0")
    assert.same({ "" }, protocol.reader():take "\0\0\0\0")
  end)

  it("tells versions apart", function()
    assert.is_nil(protocol.refuse("H" .. protocol.greeting))
    assert.matches("version 1 of the console, that is version 99",
      protocol.refuse "Hevrun 99")
    for _, text in ipairs { "", "H", "GET / HTTP/1.1", "Hevrun ", "Ix" } do
      assert.equal("this is no console of evrun", protocol.refuse(text))
    end
  end)
end)
