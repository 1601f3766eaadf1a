local bytes = component_read(ARGV[4])
return answer(bytes or '')
