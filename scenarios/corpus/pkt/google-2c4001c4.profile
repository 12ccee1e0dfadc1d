# What is expected of each script: `fivetuple pkt --profile FILE` compares.
# netstack v0.0.0-20260905035102-160fafc42237
# made with -D CODE=host_unreachable
diverges    packetdrill/tests/bsd/fast_retransmit/fr-4pkt-sack-bsd.pkt:25  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    packetdrill/tests/linux/fast_retransmit/fr-4pkt-sack-linux.pkt:32  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    packetdrill/tests/linux/packetdrill/socket_err.pkt:6  # a self-test that has to fail: it asks for a socket that cannot be
diverges    packetdrill/tests/linux/packetdrill/socket_wrong_err.pkt:4  # a self-test that has to fail: it expects an errno that does not exist
diverges    packetdrill/tests/packet-timeout.pkt:8  # a self-test that has to fail: no connect takes 30 s with one retry
unsupported psp/psp-basic.pkt:3
unsupported psp/psp-ofo-bad-fin.pkt:4
unsupported psp/psp-ofo-ok.pkt:3
unsupported psp/psp-ofo.pkt:3
unsupported psp/psp-retransmit-cleartext-after-upgrade.pkt:4
unsupported psp/psp-rx-rcv-clear-or-cipher.pkt:4
unsupported psp/psp-tw-rtx-ack.pkt:3
unsupported psp/psp-tx-accept-fin.pkt:3
unsupported psp/psp-tx-drop-plaintext-data.pkt:3
unsupported psp/psp-tx-key-retry.pkt:4
pass        tcp/blocking/blocking-accept.pkt
pass        tcp/blocking/blocking-connect.pkt
pass        tcp/blocking/blocking-read.pkt
diverges    tcp/blocking/blocking-write.pkt:24  # netstack wakes a writer when half of its buffer is free, counted in payload; Linux when a third is, counted in memory
pass        tcp/close/close-local-close-then-remote-fin.pkt
pass        tcp/close/close-on-syn-sent.pkt
pass        tcp/close/close-remote-fin-then-close.pkt
unsupported tcp/cubic/cubic-bulk-166k-idle-restart.pkt:11
unsupported tcp/cubic/cubic-bulk-166k.pkt:12
diverges    tcp/cubic/cubic-hystart-delay-min-rtt-jumps-downward.pkt:26  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/cubic/cubic-hystart-delay-rtt-jumps-upward.pkt:24  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/cubic/cubic-rack-reo-timeout-retrans-failed-incoming-data.pkt:18  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/cubic/cubic-rto-ss-ca-cwnd-bump.pkt:27  # netstack lets the congestion window grow also when it is not used
pass        tcp/cwnd_moderation/cwnd-moderation-disorder-no-moderation.pkt
unsupported tcp/cwnd_moderation/cwnd-moderation-ecn-enter-cwr-no-moderation-700.pkt:4
unsupported tcp/ecn/ecn-uses-ect0.pkt:4
unsupported tcp/eor/no-coalesce-large.pkt:24
unsupported tcp/eor/no-coalesce-retrans.pkt:24
unsupported tcp/eor/no-coalesce-small.pkt:23
unsupported tcp/eor/no-coalesce-subsequent.pkt:24
pass        tcp/epoll/epoll_in_edge.pkt
diverges    tcp/epoll/epoll_out_edge.pkt:32  # netstack's send buffer counts payload, Linux's memory: another number of bytes fits, and another ACK makes room
diverges    tcp/epoll/epoll_out_edge_default_notsent_lowat.pkt:33  # netstack's send buffer counts payload, Linux's memory: another number of bytes fits, and another ACK makes room
diverges    tcp/epoll/epoll_out_edge_notsent_lowat.pkt:32  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_recovery/prr-ss-10pkt-lost-1.pkt:23  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_recovery/prr-ss-30pkt-lost-1_4-11_16.pkt:19  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_recovery/prr-ss-30pkt-lost1_4.pkt:19  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_recovery/prr-ss-ack-below-snd_una-cubic.pkt:22  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_retransmit/fr-4pkt-fack-last-byte.pkt:26  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_retransmit/fr-4pkt-fack-last-mss.pkt:27  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_retransmit/fr-4pkt-sack.pkt:28  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/fast_retransmit/fr-4pkt.pkt:28  # netstack recovers only from an ACK past the initial sequence number by more than one (RFC 6582, 4.1)
unsupported tcp/fastopen/client/blocking-connect-bypass-errno.pkt:10
unsupported tcp/fastopen/client/blocking-connect-bypass.pkt:10
unsupported tcp/fastopen/client/blocking-sendmsg-multi-iov.pkt:10
unsupported tcp/fastopen/client/blocking-sendto-errnos.pkt:9
unsupported tcp/fastopen/client/blocking-sendto.pkt:10
unsupported tcp/fastopen/client/cookie-less-sendto.pkt:13
unsupported tcp/fastopen/client/cookie-req-timeout.pkt:12
unsupported tcp/fastopen/client/fallback-exp-opt.pkt:8
unsupported tcp/fastopen/client/fastopen-connect-keepalive.pkt:9
unsupported tcp/fastopen/client/nonblocking-connect-bypass-errno.pkt:18
unsupported tcp/fastopen/client/nonblocking-connect-bypass.pkt:10
unsupported tcp/fastopen/client/nonblocking-sendmsg-multi-iov.pkt:10
unsupported tcp/fastopen/client/nonblocking-sendto-empty-buf.pkt:9
unsupported tcp/fastopen/client/nonblocking-sendto-errnos.pkt:18
unsupported tcp/fastopen/client/nonblocking-sendto-over-mss.pkt:10
unsupported tcp/fastopen/client/nonblocking-sendto.pkt:10
unsupported tcp/fastopen/client/poll.pkt:11
unsupported tcp/fastopen/client/sendto-af-unspec.pkt:9
unsupported tcp/fastopen/client/simultaneous-fast-open.pkt:12
unsupported tcp/fastopen/client/syn-data-icmp-unreach-frag-needed-with-seq-ipv6.pkt:12
unsupported tcp/fastopen/client/syn-data-icmp-unreach-frag-needed-with-seq.pkt:12
unsupported tcp/fastopen/client/syn-data-icmp-unreach-frag-needed.pkt:12
unsupported tcp/fastopen/client/syn-data-mss.pkt:10
unsupported tcp/fastopen/client/syn-data-only-syn-acked.pkt:11
unsupported tcp/fastopen/client/syn-data-partial-or-over-ack.pkt:11
unsupported tcp/fastopen/client/syn-data-rtt-from-syn-data.pkt:10
unsupported tcp/fastopen/client/syn-data-timeout.pkt:9
unsupported tcp/fastopen/client/synack-data.pkt:12
unsupported tcp/fastopen/client/valid-cookie-format.pkt:12
unsupported tcp/fastopen/server/basic-cookie-not-reqd.pkt:11
pass        tcp/fastopen/server/basic-non-tfo-listener.pkt
unsupported tcp/fastopen/server/basic-rw.pkt:10
unsupported tcp/fastopen/server/basic-zero-payload.pkt:14
unsupported tcp/fastopen/server/client-ack-dropped-then-recovery-ms-timestamps.pkt:23
unsupported tcp/fastopen/server/fin-close-socket.pkt:12
pass        tcp/fastopen/server/icmp-baseline.pkt
unsupported tcp/fastopen/server/icmp-before-accept.pkt:13
unsupported tcp/fastopen/server/listener-closed-trigger-rst.pkt:11
unsupported tcp/fastopen/server/opt34/basic-cookie-not-reqd.pkt:11
pass        tcp/fastopen/server/opt34/basic-non-tfo-listener.pkt
unsupported tcp/fastopen/server/opt34/basic-rw.pkt:12
unsupported tcp/fastopen/server/opt34/basic-zero-payload.pkt:16
unsupported tcp/fastopen/server/opt34/fin-close-socket.pkt:14
unsupported tcp/fastopen/server/opt34/icmp-before-accept.pkt:15
unsupported tcp/fastopen/server/opt34/listener-closed-trigger-rst.pkt:13
unsupported tcp/fastopen/server/opt34/pure-syn-data.pkt:11
unsupported tcp/fastopen/server/opt34/reset-after-accept.pkt:14
unsupported tcp/fastopen/server/opt34/reset-before-accept.pkt:16
unsupported tcp/fastopen/server/opt34/reset-close-with-unread-data.pkt:17
unsupported tcp/fastopen/server/opt34/reset-non-tfo-socket.pkt:16
unsupported tcp/fastopen/server/opt34/simple1.pkt:23
unsupported tcp/fastopen/server/opt34/simple2.pkt:23
unsupported tcp/fastopen/server/opt34/simple3.pkt:23
unsupported tcp/fastopen/server/opt34/unread-data-closed-trigger-rst.pkt:13
unsupported tcp/fastopen/server/pure-syn-data.pkt:10
unsupported tcp/fastopen/server/reset-after-accept.pkt:12
unsupported tcp/fastopen/server/reset-before-accept.pkt:14
unsupported tcp/fastopen/server/reset-close-with-unread-data.pkt:15
unsupported tcp/fastopen/server/reset-non-tfo-socket.pkt:14
unsupported tcp/fastopen/server/simple1.pkt:23
unsupported tcp/fastopen/server/simple2.pkt:23
unsupported tcp/fastopen/server/simple3.pkt:23
unsupported tcp/fastopen/server/sockopt-fastopen-key.pkt:15
unsupported tcp/fastopen/server/unread-data-closed-trigger-rst.pkt:11
unsupported tcp/gro/gro-mss-option.pkt:23
pass        tcp/inq/client.pkt
pass        tcp/inq/server.pkt
pass        tcp/ioctl/ioctl-siocinq-fin.pkt
diverges    tcp/limited_transmit/limited-transmit-no-sack.pkt:21  # netstack sets PSH on the last segment that is queued, Linux elsewhere too: --allow psh
diverges    tcp/limited_transmit/limited-transmit-sack.pkt:21  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
unsupported tcp/md5/md5-only-on-client-ack.pkt:19
pass        tcp/mss/mss-getsockopt-tcp_maxseg-server.pkt
diverges    tcp/mss/mss-setsockopt-tcp_maxseg-client.pkt:19  # netstack's TCP_MAXSEG limits what is offered, not what is sent
diverges    tcp/mss/mss-setsockopt-tcp_maxseg-server.pkt:22  # netstack's TCP_MAXSEG limits what is offered, not what is sent
unsupported tcp/mtu_probe/basic-v4.pkt:17
unsupported tcp/mtu_probe/basic-v6.pkt:19
unsupported tcp/nagle/https_client.pkt:14
diverges    tcp/nagle/sendmsg_msg_more.pkt:45  # netstack never joins what two writes left behind a cork, and sends it by a 200 ms timer
diverges    tcp/nagle/sockopt_cork_nodelay.pkt:41  # netstack sets PSH on the last segment that is queued, Linux elsewhere too: --allow psh
diverges    tcp/notsent_lowat/notsent-lowat-default.pkt:25  # netstack's send buffer counts payload, Linux's memory: another number of bytes fits, and another ACK makes room
diverges    tcp/notsent_lowat/notsent-lowat-setsockopt.pkt:24  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/notsent_lowat/notsent-lowat-sysctl.pkt:25  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/sack/sack-route-refresh-ip-tos.pkt:34  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/sack/sack-shift-sacked-2-6-8-3-9-nofack.pkt:21  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/sack/sack-shift-sacked-7-3-4-8-9-fack.pkt:19  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/sack/sack-shift-sacked-7-5-6-8-9-fack.pkt:19  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
pass        tcp/sendfile/sendfile-simple.pkt
pass        tcp/shutdown/shutdown-rd-close.pkt
pass        tcp/shutdown/shutdown-rd-wr-close.pkt
pass        tcp/shutdown/shutdown-rdwr-close.pkt
diverges    tcp/shutdown/shutdown-rdwr-send-queue-ack-close.pkt:22  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/shutdown/shutdown-rdwr-write-queue-close.pkt:22  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
pass        tcp/shutdown/shutdown-wr-close.pkt
diverges    tcp/slow_start/slow-start-ack-per-1pkt.pkt:22  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/slow_start/slow-start-ack-per-2pkt-send-5pkt.pkt:27  # netstack lets the congestion window grow also when it is not used
diverges    tcp/slow_start/slow-start-ack-per-2pkt-send-6pkt.pkt:30  # netstack lets the congestion window grow also when it is not used
diverges    tcp/slow_start/slow-start-ack-per-2pkt.pkt:23  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/slow_start/slow-start-ack-per-4pkt.pkt:22  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/slow_start/slow-start-after-idle.pkt:20  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/slow_start/slow-start-after-win-update.pkt:20  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/slow_start/slow-start-app-limited-9-packets-out.pkt:37  # netstack lets the congestion window grow also when it is not used
diverges    tcp/slow_start/slow-start-app-limited.pkt:19  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
unsupported tcp/slow_start/slow-start-fq-ack-per-2pkt.pkt:9
unsupported tcp/splice/tcp_splice_loop_test.pkt:6
unsupported tcp/syscall_bad_arg/fastopen-invalid-buf-ptr.pkt:9
pass        tcp/syscall_bad_arg/sendmsg-empty-iov.pkt
pass        tcp/syscall_bad_arg/syscall-invalid-buf-ptr.pkt
pass        tcp/tcp_info/tcp-info-last_data_recv.pkt
unsupported tcp/tcp_info/tcp-info-rwnd-limited.pkt:21
unsupported tcp/tcp_info/tcp-info-sndbuf-limited.pkt:28
diverges    tcp/timestamping/client-only-last-byte.pkt:25  # with SACK, netstack keeps 36 bytes of each segment free (28 beside timestamps): --allow sack-room
diverges    tcp/timestamping/partial.pkt:24  # netstack's send buffer counts payload, Linux's memory: another number of bytes fits, and another ACK makes room
pass        tcp/timestamping/server.pkt
pass        tcp/ts_recent/fin_tsval.pkt
diverges    tcp/ts_recent/invalid_ack.pkt:24  # netstack takes a FIN with an ACK of unsent data
pass        tcp/ts_recent/reset_tsval.pkt
unsupported tcp/user_timeout/user-timeout-probe.pkt:21
diverges    tcp/user_timeout/user_timeout.pkt:31  # netstack looks at TCP_USER_TIMEOUT when the next timer runs out: the connection is still there
pass        tcp/validate/validate-established-no-flags.pkt
pass        tcp/zerocopy/basic.pkt
pass        tcp/zerocopy/batch.pkt
pass        tcp/zerocopy/client.pkt
pass        tcp/zerocopy/closed.pkt
pass        tcp/zerocopy/epoll_edge.pkt
pass        tcp/zerocopy/epoll_exclusive.pkt
pass        tcp/zerocopy/epoll_oneshot.pkt
unsupported tcp/zerocopy/fastopen-client.pkt:16
unsupported tcp/zerocopy/fastopen-server.pkt:14
diverges    tcp/zerocopy/maxfrags.pkt:52  # netstack has no fragments of a buffer: 18 pieces of data are one segment
pass        tcp/zerocopy/small.pkt
