-- The pages of the manual that are no reference: those LDoc's settings name.
-- @module docs.topics

local settings = setmetatable({}, { __index = function()
  return function() end -- LDoc's own functions
end })
assert(loadfile("docs/config.ld", "t", settings))()

local topics = {}
for i, copy in ipairs(settings.topics) do
  topics[i] = copy:gsub("^build/docs%-src/", "docs/")
end
return topics
