describe("libevent.docs", function()
  local find = require "libevent.docs".find

  it("shows a function: its call, what it does, takes and returns", function()
    local text = find "stream:read"
    assert.matches("^stream:read%(%[what %[, timeout%]%]%)\n\nReads, as file:",
      text)
    assert.matches("\n\nParameters:\n  what: string or integer, optional\n",
      text)
    assert.matches("\n\nReturns:\n  bytes: string or nil\n    nil alone", text)
  end)

  it("shows an example of a function, as code", function()
    assert.matches("\n\nExample:\n  local mutex = libevent.mutex%(%)\n",
      find "libevent.mutex")
    assert.matches("\n\nThe examples run in a task, and go on from here:\n"
      .. "  local libevent = ",
      find "stream")
  end)

  it("finds a name by its last part, or however it is written", function()
    local text = find "libevent.serve"
    assert.matches("^libevent.serve%(address, fn %[, given%]%)\n", text)
    for _, name in ipairs { "serve", " serve ", "libevent.serve(address)" } do
      assert.equal(text, find(name))
    end
    assert.equal(find "stream:readframe", find "stream.readframe")
    assert.equal(find "libevent.stream", find "stream")
    assert.equal(find "object:is_closed", find "stream:is_closed")
  end)

  it("lists what is called alike", function()
    local text = find "read"
    assert.matches("\nstream:read +Reads, as file:read does", text)
    assert.matches("bufferevent:read +Removes bytes", text)
    assert.equal(text, find "s:read")
    assert.matches("\nSee also:\n\n.*udp:connect +Connects", find "connect")
  end)

  it("shows a class with its methods, and those that all objects have",
    function()
      local text = find "event_base"
      assert.matches("^libevent.event_base%(%[options%]%)\n", text)
      assert.matches("\nlibevent.event_base %(a class%)\n\nRuns the loop", text)
      assert.matches("\nevent_base:dispatch +Runs the loop", text)
      assert.matches("\nAnd the methods of libevent.object:\n\nobject:close ",
        text)
      assert.matches("^libevent.log %(a module%)\n", find "log")
    end)

  it("finds what wraps a function of libevent", function()
    assert.equal(find "event:add", find "event_add")
    assert.equal(find "bufferevent:write", find "bufferevent_write_buffer")
  end)

  it("names what is near to a name that it does not know", function()
    assert.equal("the manual knows no 'strem'; near are:\n"
      .. "  libevent.stream\n  event_base:stream\n", find "strem")
    assert.equal("the manual knows no 'base:dipatch'; near are:\n"
      .. "  event_base:dispatch\n", find "base:dipatch")
    assert.matches("^the manual knows no 'timer:ad'; near are:\n"
      .. "  timer:add\n", find "timer:ad")
    assert.matches("\n  stream:read\n.*\n  bufferevent:read\n",
      find "stream:reed")
    assert.equal("the manual knows no 'xyzzy'\n", find "xyzzy")
    assert.equal("the manual knows no '%'\n", find "%")
    assert.matches("^the manual knows no 'aaaa", find(("a"):rep(1e6)))
    local began = os.clock()
    for _, text in ipairs { (" "):rep(1e5) .. "(", ("a"):rep(1e5) .. "." } do
      assert.matches("^the manual knows no 'x", find("x" .. text .. "x"))
    end
    assert.is_true(os.clock() - began < 10)
  end)

  it("lists modules and classes without a name", function()
    assert.matches("\nlibevent.stream +A connection", find "")
  end)

  it("is 80 columns wide, and has no markup", function()
    local names = {}
    for name in find "":gmatch "[^\n]+" do
      names[#names + 1] = name:match "^libevent%S*"
    end
    assert.is_true(#names > 10)
    for _, name in ipairs(names) do
      local code = false -- which has braces
      for line in find(name):gmatch "[^\n]+" do
        code = line == "Example:" or line:find "^The examples"
          or code and line:find "^  " ~= nil
        assert.is_true(utf8.len(line) < 80, line)
        assert.is_nil(not code and line:match "[`{}]" or nil, line)
        local word = line:match "^[%w_]+[.:][%w_]+"
        for each in (word and find(word) or ""):gmatch "[^\n]+" do
          assert.is_nil(each:match "@{", each)
          assert.is_true(utf8.len(each) < 80, each)
        end
      end
    end
  end)

  it("says what to do where there is no index", function()
    local path, cpath = package.path, package.cpath
    package.path, package.cpath = "lua/?.lua", ""
    local docs = dofile "lua/libevent/docs.lua"
    local text = docs.find "read"
    package.path, package.cpath = path, cpath
    assert.equal("the index of the manual was not built (make)\n", text)
  end)
end)
