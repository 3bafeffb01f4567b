-- Counts the entries of a stream behind an id, without sending them. Nothing changes.
--
-- ARGV: the stream, the id, how many to count at most. Returns the count and the id of the last one counted.

local entries = redis.call('XRANGE', ARGV[1], '(' .. ARGV[2], '+', 'COUNT', ARGV[3])
local last = entries[#entries]
return { #entries, last and last[1] or ARGV[2] }
