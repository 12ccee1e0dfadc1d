# What is expected of each script: `fivetuple pkt --profile FILE` compares.
# netstack v0.0.0-20260905035102-160fafc42237
pass        close-active.pkt
pass        close-passive.pkt
pass        close-simultaneous.pkt
pass        default-mss.pkt
pass        fast-retransmit.pkt
pass        handshake-active.pkt
pass        handshake-blocking.pkt
pass        handshake-passive.pkt
pass        keepalive.pkt
pass        nagle.pkt
diverges    open-simultaneous.pkt:11
pass        options-only-offered.pkt
pass        out-of-order.pkt
diverges    paws.pkt:14
pass        port-unreachable.pkt
pass        refused-active.pkt
pass        refused-passive.pkt
pass        reset-validation.pkt
pass        rto-backoff.pkt
pass        syn-backoff.pkt
pass        syn-in-established.pkt
pass        timestamp-echo.pkt
pass        udp.pkt
diverges    unacceptable-ack.pkt:12
pass        zero-window-probe.pkt
