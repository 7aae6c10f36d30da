<?php
// Publishes what a file says over HTTP, with PHP's curl extension.
//
//     php http-curl.php http://127.0.0.1:8000/notifications FILE

$curl = curl_init($argv[1]);
curl_setopt_array($curl, [
    CURLOPT_POSTFIELDS => file_get_contents($argv[2]),
    CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 10,
]);
$answer = curl_exec($curl);
$status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
echo "$status ", $answer === false ? curl_error($curl) : $answer, "\n";
exit($status === 200 ? 0 : 1);
