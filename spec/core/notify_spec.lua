local helper = require "spec.helper"
local libevent = require "libevent"

--- Runs a script that may set NOTIFY_SOCKET, and has a folder.
local function prints(output, code)
  helper.prints(output, [[
    local libevent, posix = require "libevent", require "spec.posix"
    local errno = libevent.errno
    local folder = os.tmpname()
    os.remove(folder)
    assert(libevent.posix.mkdir(folder, "0700"))
    local _ <close> = setmetatable({}, { __close = function()
      os.execute("rm -rf " .. folder)
    end })
    local function name(text)
      posix.setenv("NOTIFY_SOCKET", text)
    end
  ]] .. code, "unset NOTIFY_SOCKET;")
end

describe("libevent.notify", function()
  it("sends a text as it is", function()
    prints("end\n", [[
      for _, text in ipairs { folder .. "/s", "@" .. folder } do
        local fd = posix.receiver(text)
        name(text)
        for _, said in ipairs { "READY=1", "STATUS=a\nb=\0c", "", "X", } do
          assert(libevent.notify(said) == true)
          assert(posix.read(fd) == said)
        end
        posix.close(fd)
      end
      print "end"
    ]])
  end)

  it("takes the longest names", function()
    prints("true\nnil\tnotify: Invalid argument\t22\n", [[
      for _, length in ipairs { 107, 108 } do
        local path = folder .. "/"
        path = path .. ("x"):rep(length - #path)
        local fd = posix.receiver(path)
        name(path)
        print(libevent.notify "READY=1")
        posix.close(fd)
      end
    ]])
  end)

  it("is nothing where nobody listens", function()
    prints("1\n1\nnil\n", [[
      print(select("#", libevent.notify "READY=1"))
      name ""
      print(select("#", libevent.notify "READY=1"))
      print(libevent.notify "READY=1")
    ]])
  end)

  it("tells why it cannot", function()
    prints("EAFNOSUPPORT\nEAFNOSUPPORT\nEINVAL\nEINVAL\nEINVAL\n"
      .. "ENOENT\nECONNREFUSED\nEMSGSIZE\nEAGAIN\n", [[
      local function tell(text)
        local ok, message, code = libevent.notify(text or "READY=1")
        assert(ok == nil and message:find "^notify: ")
        for _, key in ipairs { "EAFNOSUPPORT", "EINVAL", "ENOENT",
          "ECONNREFUSED", "EMSGSIZE", "EAGAIN" } do
          if errno[key] == code then
            print(key)
          end
        end
      end
      for _, text in ipairs { "vsock:2:1", "x", "/", "@", "/" .. ("x"):rep(200),
        folder .. "/none", "@" .. folder } do
        name(text)
        tell()
      end
      local fd = posix.receiver(folder .. "/s")
      name(folder .. "/s")
      tell(("x"):rep(10000000))
      for _ = 1, 100000 do -- nobody reads
        if not libevent.notify "READY=1" then
          break
        end
      end
      tell()
      posix.close(fd)
    ]])
  end)

  it("leaves no descriptor", function()
    prints("end\n", [[
      local fd = posix.receiver(folder .. "/s")
      local function count()
        local n = 0
        for _ in pairs(posix.descriptors()) do
          n = n + 1
        end
        return n
      end
      local before = count()
      for _, text in ipairs { folder .. "/s", folder .. "/none", "x" } do
        name(text)
        libevent.notify "READY=1"
      end
      assert(before == count())
      posix.close(fd)
      print "end"
    ]])
  end)

  it("refuses bad arguments", function()
    for _, bad in ipairs { {}, true, 7, print } do
      assert.error_matches(function()
        libevent.notify(bad)
      end, "bad argument #1 to 'notify' %(string expected")
    end
    assert.error_matches(function()
      libevent.notify()
    end, "got no value")
  end)
end)
