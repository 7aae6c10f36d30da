<?php
// Publishes what a file says over HTTP, with nothing but PHP's own functions.
//
//     php http-stream.php http://127.0.0.1:8000/notifications FILE

$answer = file_get_contents($argv[1], false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => 'Content-Type: application/json',
    'content' => file_get_contents($argv[2]),
    'timeout' => 10,
    'ignore_errors' => true, // what is wrong is in the answer
]]));
$status = explode(' ', $http_response_header[0] ?? '? 0')[1];
echo "$status $answer\n";
exit($status === '200' ? 0 : 1);
